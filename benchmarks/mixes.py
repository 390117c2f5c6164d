"""Three mixes of rows to train on, for the third question of docs/eval-proof.md: does the boundary move?

    python -m benchmarks.mixes make mix            what the mixes are made of
    python -m benchmarks.mixes compare mix/evals   what `curate boundary` found, over the seeds

`make` writes easy.jsonl and twins.jsonl, for `curate add`, and one_wording/, the wordings of a project that has one of
each. Both files hold the same 32 harmful prompts. Beside them `easy` has the 32 packaged benign prompts that sound like
nothing harmful; `twins` has 16 of those, and 16 benign twins of harmful prompts that are in it.

`compare` reads MIX/boundary, MIX-1/boundary and MIX-2/boundary of each mix. Differences are of the AUROC's mean over
the seeds, on the same prompts, their intervals a bootstrap over prompts: seeds are no further prompts.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from curation.sources import packaged_examples
from schemas.boundary import Boundary, Lean

ROWS = 32
WORDINGS = Path(__file__).parent.parent / "curation" / "wordings"


MIXES, SEEDS = ("one", "pools", "twins"), ("", "-1", "-2")
RESAMPLES = 10_000


def main() -> None:
    ways = {"make": make, "compare": compare}
    if len(sys.argv) != 3 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    ways[sys.argv[1]](Path(sys.argv[2]))


def make(folder: Path) -> None:
    (folder / "one_wording").mkdir(parents=True, exist_ok=True)
    for name, rows in mixes().items():
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
    for path in sorted(WORDINGS.glob("*.yaml")):
        (folder / "one_wording" / path.name).write_text(_first_only(path.read_text("utf-8")), "utf-8")


def compare(evals: Path) -> None:
    import numpy as np

    print("| mix | AUROC of the lean, seeds 0, 1, 2 | mean | benign lost at 90 % recall | at 95 % |")
    print("| :--- | ---: | ---: | ---: | ---: |")
    beyond = {}
    for mix in MIXES:
        folders = [evals / f"{mix}{seed}" / "boundary" for seed in SEEDS]
        found = [Boundary.model_validate_json((folder / "boundary.json").read_bytes()) for folder in folders]
        beyond[mix] = np.mean([_beyond(folder / "leans.jsonl") for folder in folders], axis=0)
        areas = [one.student.auroc.value for one in found if one.student.auroc]
        low, high = np.quantile(_redrawn(beyond[mix]), (0.025, 0.975))
        lost = [", ".join(f"{one.student.over_refusal[at].share.value:.0%}" for one in found) for at in (0, 1)]
        each = ", ".join(f"{area:.2f}" for area in areas)
        print(f"| {mix} | {each} | {beyond[mix].mean():.3f} ({low:.3f}-{high:.3f}) | {lost[0]} | {lost[1]} |")
    print("\n| AUROC, mean over seeds | difference |\n| :--- | ---: |")
    for after, before in (("pools", "one"), ("twins", "pools"), ("twins", "one")):
        apart = beyond[after] - beyond[before]
        low, high = np.quantile(_redrawn(apart), (0.025, 0.975))
        print(f"| {after} less {before} | {apart.mean():+.3f} ({low:+.3f} to {high:+.3f}) |")


def _beyond(path: Path) -> Any:
    """Of each harmful (row) and benign prompt (column): 1 where the harmful one leans further, a half where alike."""
    import numpy as np

    leans = sorted(map(Lean.model_validate_json, path.read_text("utf-8").splitlines()), key=lambda one: one.id)
    harmful, benign = (np.array([one.lean for one in leans if one.label == label]) for label in ("harmful", "benign"))
    return (np.sign(harmful[:, np.newaxis] - benign) + 1) / 2


def _redrawn(pairs: Any) -> Any:
    """The mean of `pairs` with its rows and columns drawn anew, RESAMPLES times."""
    import numpy as np

    random = np.random.default_rng(0)
    rows, columns = (random.multinomial(size, [1 / size] * size, RESAMPLES) / size for size in pairs.shape)
    return ((rows @ pairs) * columns).sum(axis=1)


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
