"""How often adherence in any words is read right, and the refusal matcher: `python -m benchmarks.adherence`.

    --endpoint URL --model NAME    a judge's reading too; `--endpoint embedded` only shows the way

On both halves of the labelled texts of tests/data: rules and matcher were tuned on one, the other says how they do.
"""

import argparse
import asyncio
from collections.abc import Iterable

from benchmarks.labelled import ask_all, completions, judge_at, replies
from curation.structures import load_pools, load_structure
from train.evaluation.judges import ask_stages, read_stages
from train.evaluation.matcher import WAYS, measured
from train.evaluation.wording_free import Accuracy, Adherence, LabelledCompletion, accuracy, adherence, by_rules
from train.kept import judge

PARTS = ("tuned", "held")
POOLS = load_pools()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint")
    parser.add_argument("--model", default="")
    asked = parser.parse_args()
    rows = completions()
    show("exact form (train/kept.py)", ((one, _exact(one)) for one in rows))
    show("rules", ((one, adherence(one.completion, load_structure(one.structure), POOLS)) for one in rows))
    show("rules alone", ((one, by_rules(one.completion, load_structure(one.structure), POOLS)) for one in rows))
    if asked.endpoint:
        asyncio.run(_judged(rows, asked.endpoint, asked.model))
    for part in PARTS:
        found = measured(one for one in replies() if one.part == part)
        ways = ", ".join(f"{way} {found.ways[way]}" for way in WAYS)
        print(f"refusal matcher, {part}: precision {found.precision}, recall {found.recall}; {ways}")
    styles = dict.fromkeys(one.style for one in replies())
    for style in styles:
        found = measured(one for one in replies() if one.style == style)
        right = sum(round(rate.value * rate.n) for rate in found.ways.values())
        print(f"  {style}: {right} of {found.replies} right")


def show(name: str, read: Iterable[tuple[LabelledCompletion, Adherence]]) -> None:
    """Prints how often a reading is right on either half."""
    pairs = list(read)
    for part in PARTS:
        found: Accuracy = accuracy(pair for pair in pairs if pair[0].part == part)
        shares = ", ".join(f"{field} {getattr(found, field)}" for field in Accuracy.model_fields)
        print(f"{name}, {part}: {shares}")


def _exact(one: LabelledCompletion) -> Adherence:
    from schemas.reading import read

    structure = load_structure(one.structure)
    reading = read(one.completion, structure, POOLS)
    kept = judge(one.completion, one.label, True, structure, POOLS)
    return Adherence(in_order=kept.in_order, verdict=reading.verdict, branch=reading.branch, by="wordings")


async def _judged(rows: list[LabelledCompletion], endpoint: str, model: str) -> None:
    questions = [ask_stages(one.prompt, one.completion, load_structure(one.structure), POOLS) for one in rows]
    async with judge_at(endpoint, model) as ask:
        said = await ask_all(ask, questions)
    read = [
        (one, read_stages(text, one.completion, load_structure(one.structure), POOLS))
        for one, text in zip(rows, said, strict=True)
    ]
    print(f"judge: {sum(found is None for _, found in read)} of {len(read)} not readable, not judged")
    show("judge", [(one, found) for one, found in read if found])


if __name__ == "__main__":
    main()
