"""Many runs that differ in nothing but the structure of their rows and the seed.

runs/NAME/
  ablation.json   schemas.ablation.Ablation: what is asked, and what came of the runs that are finished
  ablation.md     the same as tables, with room for what an evaluation finds
  alttrain-0/     a run's folder (train/record.py), one for each structure and seed
  no_ha-0/

    plan = prove_all(config, rows, tests, ...)     every row of every structure, before the first step of any
    lay_out(folder, plan, config, rows, tests)     all the runs' folders
    carry_out(folder, train, say)                  what is not finished yet, from where it was stopped

The order of a run's rows comes from its seed and their number, and the prompts' tokens from the rows' ids, so runs of
one seed see the same prompts in one order.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from schemas.ablation import ABLATION, Ablation, AblationRun, Evaluated, LeftOut, folder_of
from schemas.errors import TrainError
from schemas.markdown import code, inline, table
from schemas.release import SftRow
from schemas.training import Proof, RunConfig
from train.evaluation.ablation import evaluation_lines
from train.loading import load_stops, load_tokenizer
from train.progress import Say
from train.proof import prove
from train.record import create, put, read_ablation, read_config, read_record, require_none, write
from train.templates import encode_rows, form_of

TABLE = "ablation.md"

Rows = Mapping[str, Sequence[SftRow]]
"""By structure: the same rows in the same order, each under the id that it has in the release."""

_OF_A_RUN = {"seed", "structure", "derived_from"}


def prove_all(
    config: RunConfig, rows: Rows, tests: Rows, seeds: Sequence[int], left_out: Sequence[LeftOut], devices: int = 1
) -> Ablation:
    """What is asked, once all rows of all structures were proven.

    `config`: of a run in the release's own structure. `devices`: processes that train together. Raises TrainError,
    naming the structure, where a row of it cannot be trained as it is.
    """
    tokenizer = load_tokenizer(config)
    form = form_of(tokenizer, config.model, load_stops(config))
    proofs: dict[str, Proof] = {}
    for structure, held in rows.items():
        try:
            encoded = encode_rows(tokenizer, held, form, config.system)
            proofs[structure] = prove(tokenizer, form, held, encoded, config.recipe, devices)
        except TrainError as error:
            raise TrainError(f"structure {structure}: {error}") from None
    asked = {(proof.rows, proof.masked_tokens, proof.steps) for proof in proofs.values()}
    assert len(asked) == 1, "structures of other rows, prompts or steps"
    (trained, _, steps) = asked.pop()
    return Ablation(
        release=config.release,
        release_sha256=config.release_sha256,
        release_structure=config.structure,
        preset=config.preset,
        model=config.model,
        recipe=config.recipe,
        structures=tuple(rows),
        seeds=tuple(seeds),
        rows=trained,
        test_rows=len(next(iter(tests.values()))),
        steps=steps,
        left_out=tuple(left_out),
    )


def lay_out(folder: Path, plan: Ablation, config: RunConfig, rows: Rows, tests: Rows) -> None:
    """A folder for each run, and what is asked, into `folder`, which is there and empty. Raises TrainError, OSError."""
    for structure, seed in plan.wanted:
        derived = structure != plan.release_structure
        one = {
            "name": folder_of(structure, seed),
            "seed": seed,
            "structure": structure,
            "derived_from": plan.release_structure if derived else None,
        }
        create(folder / folder_of(structure, seed), config.model_copy(update=one), rows[structure], tests[structure])
    _keep(folder, plan)


def require_same(folder: Path, config: RunConfig, structures: Sequence[str], seeds: Sequence[int]) -> None:
    """Raises TrainError where the ablation in `folder` was begun with other options than these."""
    plan = read_ablation(folder)
    unlike = read_config(folder / folder_of(*plan.wanted[0])).unlike(config)
    other = [name for name in unlike if name not in _OF_A_RUN]
    other += ["structures"] * (plan.structures != tuple(structures)) + ["seeds"] * (plan.seeds != tuple(seeds))
    require_none(other, folder)


def carry_out(folder: Path, train: Callable[[Path], object], say: Say) -> Ablation:
    """Trains what is not finished in `folder`, one run after the other, and gives what came of all.

    `train` takes a run's folder and goes on from its last checkpoint where it has one. A run that it refuses stops no
    other. Raises TrainError in the end where there was such a one; what is finished is kept.
    """
    plan = read_ablation(folder)
    failed: list[str] = []
    for number, (structure, seed) in enumerate(plan.wanted, start=1):
        name = folder_of(structure, seed)
        if read_record(folder / name):
            continue
        say(f"run {number} of {len(plan.wanted)}: {name}")
        try:
            train(folder / name)
        except TrainError as error:
            say(str(error))
            failed.append(f"{name}: {error}")
        plan = gather(folder)
        _keep(folder, plan)
    if failed:
        raise TrainError(
            f"{len(failed)} of {len(plan.wanted)} runs failed ({'; '.join(failed)}); the others are kept, and --resume "
            "tries these again"
        )
    return plan


def gather(folder: Path) -> Ablation:
    """What is asked, with what came of the runs that are finished by now. Raises TrainError: it is no ablation's."""
    plan = read_ablation(folder)
    done = []
    for structure, seed in plan.wanted:
        name = folder_of(structure, seed)
        record = read_record(folder / name)
        if record is None:
            continue
        assert (record.steps, record.proof.rows) == (plan.steps, plan.rows), f"{name} trained something else"
        done.append(
            AblationRun(
                structure=structure,
                seed=seed,
                folder=name,
                completion_tokens=record.proof.trained_tokens,
                completion_tokens_a_row=record.proof.trained_tokens / record.proof.rows,
                steps=record.steps,
                final_loss=record.final_loss,
                seconds=record.seconds,
            )
        )
    return plan.model_copy(update={"runs": tuple(done)})


def note(folder: Path, evaluated: Sequence[Evaluated]) -> Ablation:
    """Writes what an evaluation found into ablation.json and the table, in the place of what was there."""
    plan = gather(folder).model_copy(update={"evaluated": tuple(evaluated)})
    _keep(folder, plan)
    return plan


def lines_of(plan: Ablation) -> list[str]:
    """The runs as an aligned table, which is markdown too; those that are not finished say so."""
    done = {(run.structure, run.seed): run for run in plan.runs}
    body = []
    for structure in plan.structures:
        for seed in plan.seeds:
            run = done.get((structure, seed))
            figures = ["not finished", "", "", "", ""]
            if run:
                figures = [
                    f"{run.completion_tokens:,}",
                    f"{run.completion_tokens_a_row:,.1f}",
                    f"{run.steps:,}",
                    f"{run.final_loss:.3f}",
                    f"{run.seconds:,.0f}",
                ]
            body.append([structure, str(seed), *figures])
    return table(["structure", "seed", "completion tokens", "a row", "steps", "final loss", "seconds"], body)


def left_out_lines(plan: Ablation) -> list[str]:
    """How many rows no structure has now, and why: a line a reason."""
    rows = Counter(split for split, _ in {(one.split, one.id) for one in plan.left_out})
    reasons = Counter((one.structure, one.kind) for one in plan.left_out)
    told = {(one.structure, one.kind): one.reason for one in reversed(plan.left_out)}
    if not rows:
        return []
    return [
        f"left out of all structures: {rows['train']:,} rows to train, {rows['test']:,} of the test split",
        *(
            f"{structure} cannot have {count:,} ({kind}): {told[structure, kind]}"
            for (structure, kind), count in reasons.items()
        ),
    ]


def _keep(folder: Path, plan: Ablation) -> None:
    write(folder / ABLATION, plan)
    put(folder / TABLE, _page(plan).encode())


def _page(plan: Ablation) -> str:
    derived = [structure for structure in plan.structures if structure != plan.release_structure]
    unread = (
        [
            f"Derived from {code(plan.release_structure)} by rule, and reviewed by nobody in that form: "
            f"{', '.join(map(code, derived))}.",
            "",
        ]
        if derived
        else []
    )
    return "\n".join(
        [
            f"# Ablation on {code(plan.release)} with {code(plan.preset)}",
            "",
            f"{plan.rows:,} rows in each structure: the same prompts, in one order for each seed, in {plan.steps:,} "
            "optimizer steps.",
            "",
            *unread,
            *(f"- {inline(line, 300)}" for line in left_out_lines(plan)),
            *([""] if plan.left_out else []),
            *lines_of(plan),
            "",
            "## Evaluation",
            "",
            *evaluation_lines(plan),
            "",
        ]
    )
