"""What training did to a small model, on prompts whose family no run has seen: the figures of docs/cpu-proof.md.

python -m benchmarks.cpu_proof rows FILE.jsonl
python -m benchmarks.cpu_proof ask RUN [RUN ...] [--untrained] [--out FILE.json] [--threads N]

`rows` writes 164 of the packaged examples, for `curate add`: 58 families with a harmful prompt and a benign twin, 24
harmful and 24 plain ones, those with the shortest benign text, so that a run fits into ten minutes. No family is cut in
two, so the others are left to ask.

`ask`: `RUN` is the folder of a finished run, such as those that `curate train --structures` leaves. Each run's adapter
is merged into its model, in memory, the held-out prompts are asked greedily, at most 256 new tokens, and every
completion is judged against the structure that the run trained. `--untrained`: the first run's model as it was before
is asked too.

Held out are the packaged examples of families that no run trained, and the prompts of train/heldout, whose openings no
packaged example has. There are as many plain benign prompts among them as benign ones that only sound harmful.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from curation.sources import packaged_examples
from curation.structures import load_pools, load_structure
from schemas.example import Frozen
from schemas.report import Rate
from schemas.training import RunRecord
from train.answering import Answer, answer
from train.heldout import HeldOut, held_out
from train.kept import Kept, Summary, judge, summarise
from train.loading import load_model, load_tokenizer
from train.record import MODEL, read_record
from train.templates import form_of, ids_of

LIMIT, BATCH = 256, 64


class Asked(Frozen):
    """What one model kept of a structure, over all held-out prompts."""

    name: str
    structure: str
    seed: int | None
    trained: bool
    summaries: tuple[Summary, ...]
    new_wording: tuple[Summary, ...]
    balanced_accuracy: float | None
    tokens_a_query: float
    seconds: float


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    commands.add_parser("rows").add_argument("file", type=Path)
    asking = commands.add_parser("ask")
    asking.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    asking.add_argument("--untrained", action="store_true")
    asking.add_argument("--out", type=Path)
    asking.add_argument("--completions", type=Path, help="a local file for all that was said, harmful prompts too")
    asking.add_argument("--threads", type=int)
    given = options.parse_args()
    if given.command == "rows":
        given.file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_to_train()), "utf-8")
        return
    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    records = [(run, _record(run)) for run in given.runs]
    prompts = choose(records[0][1] if len(records) == 1 else _all(record for _, record in records))
    kinds = {
        kind: sum(prompt.kind == kind for prompt in prompts) for kind in ("harmful", "hard_benign", "plain_benign")
    }
    print(f"{len(prompts)} prompts: {', '.join(f'{number} {kind}' for kind, number in kinds.items())}", flush=True)
    found: list[Asked] = []
    said: list[dict[str, Any]] = []
    for trained, run, record in [
        *([(False, *records[0])] if given.untrained else []),
        *((True, run, record) for run, record in records),
    ]:
        asked, lines = ask(run, record, prompts, trained=trained)
        found.append(asked)
        said += lines
        print(*told(asked), sep="\n", flush=True)
        if given.out:
            given.out.write_text(json.dumps([one.model_dump(mode="json") for one in found], indent=1) + "\n")
        if given.completions:
            given.completions.write_text("".join(json.dumps(line) + "\n" for line in said))
    print("\n" + "\n".join(table(found)))


def rows_to_train() -> list[dict[str, Any]]:
    """The packaged examples of the families with the shortest benign text: 58, 24 and 24 of the three shapes."""
    families: dict[str, list[dict[str, Any]]] = {}
    for row in packaged_examples():
        families.setdefault(str(row["family"]), []).append(row)
    shapes: dict[tuple[str, ...], list[str]] = {}
    for name, rows in families.items():
        shapes.setdefault(tuple(sorted(row["label"] for row in rows)), []).append(name)

    def length(name: str) -> tuple[int, str]:
        return sum(len(row["trace"] + row["answer"]) for row in families[name] if row["label"] == "benign"), name

    chosen = {
        name
        for shape, number in {("benign", "harmful"): 58, ("harmful",): 24, ("benign",): 24}.items()
        for name in sorted(shapes[shape], key=length)[:number]
    }
    return [row for row in packaged_examples() if row["family"] in chosen]


def choose(families: Sequence[str] | RunRecord) -> list[HeldOut]:
    """Every held-out prompt that is harmful or sounds so, and the first plain ones up to the number that sounds so."""
    trained = families.trained_families if isinstance(families, RunRecord) else families
    everything = held_out(trained, packaged_examples())
    hard = sum(prompt.kind == "hard_benign" for prompt in everything)
    plain = [prompt.id for prompt in everything if prompt.kind == "plain_benign"][:hard]
    return [prompt for prompt in everything if prompt.kind != "plain_benign" or prompt.id in plain]


def ask(
    run: Path, record: RunRecord, prompts: Sequence[HeldOut], *, trained: bool
) -> tuple[Asked, list[dict[str, Any]]]:
    """What the run's model, or with `trained` false its model before, said to the prompts, judged."""
    import torch
    from peft import PeftModel

    config = record.config
    tokenizer = load_tokenizer(config)
    form = form_of(tokenizer, config.model)
    model: Any = load_model(config, dtype=torch.float32)
    if trained:
        model = PeftModel.from_pretrained(model, str(run / MODEL)).merge_and_unload()
    model = model.to(torch.bfloat16 if config.recipe.precision == "bf16" else torch.float32)
    ids = [
        ids_of(
            tokenizer,
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt.prompt}], tokenize=False, add_generation_prompt=True
            ),
        )
        for prompt in prompts
    ]
    started = time.perf_counter()
    answers = answer(model, tokenizer, ids, [form.stop_id], LIMIT, BATCH)
    seconds = time.perf_counter() - started
    structure, pools = load_structure(config.structure), load_pools()
    opening = "" if form.opening else "<think>\n"
    judged = [
        judge(opening + one.text, prompt.label, one.stopped, structure, pools)
        for prompt, one in zip(prompts, answers, strict=True)
    ]
    asked = Asked(
        name=f"{config.structure}, {f'seed {config.seed}' if trained else 'untrained'}",
        structure=config.structure,
        seed=config.seed if trained else None,
        trained=trained,
        summaries=summarise((prompt.kind, kept) for prompt, kept in zip(prompts, judged, strict=True)),
        new_wording=summarise(
            (prompt.kind, kept) for prompt, kept in zip(prompts, judged, strict=True) if prompt.new_wording
        ),
        balanced_accuracy=_balanced(judged),
        tokens_a_query=sum(one.new_tokens for one in answers) / len(answers),
        seconds=seconds,
    )
    return asked, list(_lines(asked.name, prompts, answers, judged))


def told(asked: Asked) -> list[str]:
    """What was found of one model, a line a group."""
    lines = [f"\n{asked.name}: {asked.tokens_a_query:.0f} tokens a query, {asked.seconds:.0f} s"]
    for where, summaries in (("", asked.summaries), ("new wording, ", asked.new_wording)):
        for one in summaries:
            figures = ", ".join(
                f"{name} {getattr(one, name)}"
                for name in ("kept", "exact", "in_order", "verdict_right", "follows", "answered", "stopped", "refused")
                if getattr(one, name) is not None
            )
            lines.append(f"  {where}{one.group}: {figures}")
    if asked.balanced_accuracy is not None:
        lines.append(f"  balanced accuracy of the verdict: {asked.balanced_accuracy:.0%}")
    return lines


def table(found: Sequence[Asked]) -> list[str]:
    """All models in one Markdown table."""
    head = ("model", "exact form", "kept, harmful", "kept, benign", "refused harmful", "hard benign", "plain benign")
    rows = [head, tuple("---" for _ in head)]
    for asked in found:
        of = {one.group: one for one in asked.summaries}
        rates: tuple[Rate, ...] = (
            of["all"].exact,
            of["harmful"].kept,
            of["benign"].kept,
            of["harmful"].refused,
            of["hard_benign"].refused,
            of["plain_benign"].refused,
        )
        rows.append((asked.name, *map(str, rates)))
    return ["| " + " | ".join(row) + " |" for row in rows]


def _record(run: Path) -> RunRecord:
    record = read_record(run)
    if record is None:
        raise SystemExit(f"{run}: is not finished")
    return record


def _all(records: Iterable[RunRecord]) -> list[str]:
    return sorted({family for record in records for family in record.trained_families})


def _balanced(judged: Sequence[Kept]) -> float | None:
    """The mean of the shares of right verdicts on either side; a missing verdict is a wrong one."""
    if any(kept.verdict_right is None for kept in judged):
        return None
    sides = [[bool(kept.verdict_right) for kept in judged if kept.label == label] for label in ("harmful", "benign")]
    return sum(sum(side) / len(side) for side in sides) / 2


def _lines(
    name: str, prompts: Sequence[HeldOut], answers: Sequence[Answer], judged: Sequence[Kept]
) -> Iterable[dict[str, Any]]:
    for prompt, one, kept in zip(prompts, answers, judged, strict=True):
        yield {"model": name, "id": prompt.id, "kind": prompt.kind, "prompt": prompt.prompt, "said": one.text} | (
            kept.model_dump(mode="json") | {"kept": kept.kept}
        )


if __name__ == "__main__":
    main()
