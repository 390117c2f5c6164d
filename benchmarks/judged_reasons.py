"""Reasons of the embedded model for 60 packaged examples, to be judged one by one: `judged_reasons.py OUT.jsonl`.

30 harmful and 30 benign, spread over the eight categories, wrapped ones among them, drawn with a fixed seed.
"""

import asyncio
import json
import random
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from curation.embedded import fetch, serve
from curation.model import Models
from curation.prompts import compose
from schemas.example import Branch, Category
from schemas.settings import EMBEDDED

SEED = 60


def draw() -> list[dict[str, Any]]:
    """Of each category and label one wrapped prompt and two or three plain ones: 30 and 30."""
    rng = random.Random(SEED)
    drawn = []
    for number, category in enumerate(Category):
        lines = files("curation").joinpath("examples", f"{category}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        for label in ("harmful", "benign"):
            of_label = [row for row in rows if row["label"] == label]
            plain = [row for row in of_label if row["style"] == "vanilla"]
            wrapped = [row for row in of_label if row["style"] == "adversarial"]
            drawn += rng.sample(wrapped, 1) + rng.sample(plain, 3 if number < 6 else 2)
    return drawn


async def write(out: Path) -> None:
    rows = draw()
    with serve(fetch(None)) as endpoint:
        async with Models({EMBEDDED: endpoint}, [EMBEDDED]) as models:
            started = time.perf_counter()

            async def ask(row: dict[str, Any]) -> str:
                label: Branch = row["label"]
                request = compose(row["prompt"], ("reason",), label=label, category=row["category"], small=True)
                reply = (await models.ask(request)).value
                assert not isinstance(reply, str)
                return str(reply.model_dump()["reason"])

            reasons = await asyncio.gather(*map(ask, rows))
            seconds = time.perf_counter() - started
    with out.open("w", encoding="utf-8") as file:
        for row, reason in zip(rows, reasons, strict=True):
            judged = {key: row[key] for key in ("id", "prompt", "label")} | {"reason": reason}
            file.write(json.dumps(judged, ensure_ascii=False) + "\n")
    print(f"{len(rows)} reasons in {seconds:.0f} s, {len(rows) / seconds:.2f} rows/s")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
