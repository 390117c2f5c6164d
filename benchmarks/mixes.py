"""Three mixes of rows to train on, for the third question of docs/eval-proof.md: does the boundary move?

python -m benchmarks.mixes FOLDER

writes easy.jsonl and twins.jsonl, for `curate add`, and one_wording/, the wordings of a project that has one of each.
Both files hold the same 32 harmful prompts. Beside them `easy` has the 32 packaged benign prompts that sound like
nothing harmful; `twins` has 16 of those, and 16 benign twins of harmful prompts that are in it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from curation.sources import packaged_examples

ROWS = 32
WORDINGS = Path(__file__).parent.parent / "curation" / "wordings"


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "one_wording").mkdir(parents=True, exist_ok=True)
    for name, rows in mixes().items():
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
    for path in sorted(WORDINGS.glob("*.yaml")):
        (folder / "one_wording" / path.name).write_text(_first_only(path.read_text("utf-8")), "utf-8")


def mixes() -> dict[str, list[dict[str, Any]]]:
    """The rows of each mix: harmful ones of the families with the shortest twin, as the trainer is slow."""
    families: dict[str, dict[str, dict[str, Any]]] = {}
    for row in packaged_examples():
        families.setdefault(str(row["family"]), {})[str(row["label"])] = row
    pairs = sorted((rows for rows in families.values() if len(rows) == 2), key=lambda rows: _length([rows["benign"]]))
    pairs = pairs[:ROWS]
    easy = sorted((rows["benign"] for rows in families.values() if {*rows} == {"benign"}), key=lambda row: row["id"])
    harmful, twins = [rows["harmful"] for rows in pairs], [rows["benign"] for rows in pairs]
    half = ROWS // 2
    return {"easy": [*harmful, *easy[:ROWS]], "twins": [*harmful, *easy[:half], *twins[:half]]}


def _length(rows: Sequence[dict[str, Any]]) -> int:
    return sum(len(row["trace"] + row["answer"]) for row in rows)


def _first_only(pool: str) -> str:
    """A pool's file with the first of its wordings alone, and the first of each category that has its own."""
    read = yaml.safe_load(pool)
    read["wordings"] = read["wordings"][:1]
    if "categories" in read:
        read["categories"] = {name: wordings[:1] for name, wordings in read["categories"].items()}
    return str(yaml.safe_dump(read, allow_unicode=True, sort_keys=False))


if __name__ == "__main__":
    main()
