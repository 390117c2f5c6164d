"""What a release gives a run: its rows, once it was found to keep its promises."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curation.cli.releases import find_release
from curation.cli.verify import find_folder, look
from schemas.errors import TrainError
from schemas.hub import MAIN
from schemas.release import SftRow


class Given(NamedTuple):
    """What a release gives a run."""

    name: str
    """Of a folder its last part only; org/name@revision of a dataset on the Hub."""
    rows: list[SftRow]
    tests: list[SftRow]
    sha256: str
    undecided: frozenset[str]
    """Rows that by the release's own word no person decided on."""


def read_release(project: Path, release: str, passing: Path) -> Given:
    """The release's rows; one on the Hub is downloaded into `passing`. Raises TrainError where it does not keep its
    promises or has nothing to train, UsageError where there is no such release."""
    from exports.layout import PROVENANCE, locate, main_config, read_columns, rows_sha256

    here = find_release(project, release)
    folder = here or find_folder(project, release, passing)
    name = here.resolve().name if here else release if "@" in release else f"{release}@{MAIN}"
    off = [one for one in look(project, folder) if not one.unchecked]
    if off:
        first = ": ".join(filter(None, (off[0].where, off[0].what)))
        more = f" and {len(off) - 1} more" if len(off) > 1 else ""
        raise TrainError(f"{release}: is not what it says: {first}{more}; see `curate verify {shlex.quote(release)}`")
    columns = {
        config: {side: read_columns(paths) for side, paths in splits.items()}
        for config, splits in locate(folder).files.items()
    }
    main = columns[main_config(columns)]
    rows = {side: [_row(told) for told in main.get(side, ())] for side in ("train", "test")}
    if not rows["train"]:
        raise TrainError(f"{release}: has no rows in a split 'train'")
    told = [one for held in columns.get(PROVENANCE, {}).values() for one in held]
    undecided = frozenset(str(one["id"]) for one in told if one.get("decided_by") != "person")
    return Given(name, rows["train"], rows["test"], rows_sha256(columns), undecided)


def _row(columns: Mapping[str, Any]) -> SftRow:
    return SftRow.model_validate({name: columns[name] for name in SftRow.model_fields})
