"""`curate train RELEASE --structures …`: the release's rows in each structure, and all the runs of an ablation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from curation.approved import read_approved, read_eligible
from curation.cli.console import visible
from curation.cli.project import LEDGER_FILE, open_ledger
from curation.cli.train.process import train_apart
from curation.derive import Derived, common, derive
from curation.status import snapshot
from curation.structures import load_pools, load_structure
from schemas.ablation import Ablation, LeftOut
from schemas.errors import TrainError, UsageError
from schemas.release import Approved, SftRow
from schemas.training import RunConfig

if TYPE_CHECKING:
    from curation.cli.train.given import Given
    from train.ablation import Rows


Side = Literal["train", "test"]


class Alike(NamedTuple):
    """The same rows in several structures."""

    rows: "Rows"
    left_out: list[LeftOut]


def ablate(
    project: Path,
    folder: Path,
    config: RunConfig,
    given: "Given",
    structures: Sequence[str],
    seeds: Sequence[int],
    *,
    resume: bool,
    gpus: int,
    sharding: Any,
    as_json: bool,
) -> None:
    """Trains the release's rows in each structure from each seed, into `folder`; what is finished there is kept.

    `config`: of a run in the release's own structure. Raises UsageError, TrainError, LedgerError or StructureError.
    """
    from train.ablation import carry_out, left_out_lines, lines_of, require_same

    if resume and folder.exists():
        require_same(folder, config, structures, seeds)
    else:
        _begin(project, folder, config, given, structures, seeds, gpus)
    plan = carry_out(folder, lambda run: train_apart(run, gpus, sharding), _say)
    if as_json:
        click.echo(plan.model_dump_json(indent=2))
        return
    for line in (*lines_of(plan), *left_out_lines(plan)):
        click.echo(visible(line))
    click.echo(visible(f"table: {folder / 'ablation.md'}", one_line=True))


def _begin(
    project: Path,
    folder: Path,
    config: RunConfig,
    given: "Given",
    structures: Sequence[str],
    seeds: Sequence[int],
    gpus: int,
) -> None:
    """All the runs' folders, whole or not at all."""
    from exports.passing import passing_folder
    from train.ablation import lay_out, left_out_lines, prove_all

    if folder.exists():
        raise TrainError(f"{folder}: is there already; go on with it by --resume, or choose another --out")
    sides = rows_in(project, given, structures)
    plan = prove_all(config, sides["train"].rows, sides["test"].rows, seeds, _left_out(sides), gpus)
    for line in _told(plan, left_out_lines(plan)):
        _say(line)
    try:
        with passing_folder(folder) as passing:
            lay_out(passing, plan, config, sides["train"].rows, sides["test"].rows)
            passing.rename(folder)
    except OSError as error:
        raise TrainError(f"{folder}: cannot be made: {error.strerror or error}") from None


def _told(plan: Ablation, left_out: list[str]) -> list[str]:
    runs = len(plan.wanted)
    return [
        f"{runs} run{'' if runs == 1 else 's'} of {plan.steps:,} steps: {len(plan.structures)} structures on the same "
        f"{plan.rows:,} rows, {len(plan.seeds)} seed{'' if len(plan.seeds) == 1 else 's'}",
        *left_out,
    ]


def _left_out(sides: Mapping[Side, Alike]) -> list[LeftOut]:
    return [one for side in sides.values() for one in side.left_out]


def rows_in(project: Path, given: "Given", structures: Sequence[str]) -> dict[Side, Alike]:
    """The rows that all structures have, by the side of the split. Raises TrainError where a row of the release is not
    approved in the project's ledger as it stands there, or nothing is left to train; StructureError."""
    held: dict[Side, list[SftRow]] = {"train": given.rows, "test": given.tests}
    own = given.rows[0].structure
    if set(structures) == {own}:
        return {side: Alike({own: rows}, []) for side, rows in held.items()}
    approved = _approved(project, given)
    # A side by itself: a test row's reason that is lent to a trained one would be known before it is asked for.
    sides = {
        side: _alike(project, side, [approved[row.id] for row in rows], own, structures) for side, rows in held.items()
    }
    if not next(iter(sides["train"].rows.values())):
        first = sides["train"].left_out[0]
        raise TrainError(f"no row can be had in all of these structures; {first.structure}: {first.reason}")
    return sides


def _approved(project: Path, given: "Given") -> dict[str, Approved]:
    """The release's rows with all that they came from, by id. Raises TrainError where one is not in the ledger so."""
    from exports.dataset import rows_of

    own = given.rows[0].structure
    if not (project / LEDGER_FILE).exists():
        raise TrainError(
            f"{project / LEDGER_FILE}: is not there, and other structures are derived from the ledger that the release "
            "was made from; -C names its project"
        )
    released = {row.id: row for row in (*given.rows, *given.tests)}
    with open_ledger(project) as ledger, snapshot(ledger):
        standing = [
            one
            for one in read_eligible(ledger, own, unreviewed=True)
            if one.id in released and (one.decided_by == "person" or one.id in given.undecided)
        ]
        found = {one.id: one for one in read_approved(ledger, standing, pseudonyms=True)}
    said = {one.id: row for one, row in zip(found.values(), rows_of(list(found.values())), strict=True)}
    lost = [
        key
        for key, row in released.items()
        if key not in said or (said[key].instruction, said[key].response) != (row.instruction, row.response)
    ]
    if lost:
        raise TrainError(
            f"{len(lost)} of the release's {len(released)} rows are not approved in {project / LEDGER_FILE} as they "
            f"stand there (the first: {lost[0]}); -C names the project that it was made in, or `curate export` makes a "
            "new release"
        )
    return found


def _alike(project: Path, side: Side, approved: Sequence[Approved], own: str, structures: Sequence[str]) -> Alike:
    """The rows that all structures have, each under its id in the release.

    The id draws the system prompt, and the date where a template writes one: so the prompts are the same to the token.
    """
    from exports.dataset import rows_of

    pools, base = load_pools(project), load_structure(own, project)
    derived = [derive(approved, load_structure(name, project), pools, base=base) for name in structures]
    released = {one.trace.id: one.id for one in approved}

    def named(held: Sequence[Approved]) -> list[SftRow]:
        return [
            row.model_copy(update={"id": released[one.trace.id]}) for one, row in zip(held, rows_of(held), strict=True)
        ]

    rows = {name: named(held) for name, held in zip(structures, common(derived), strict=True)}
    return Alike(rows, [left for one in derived for left in _failures(side, one)])


def _failures(side: Side, derived: Derived) -> list[LeftOut]:
    return [
        LeftOut(id=key, split=side, structure=derived.structure, kind=failure.kind, reason=failure.reason)
        for key, failure in derived.failures.items()
    ]


def parse_structures(said: str | None, own: str, project: Path) -> list[str]:
    """Names out of `a,b`; the release's own where there are none. Raises UsageError or StructureError."""
    if said is None:
        return [own]
    names = [name.strip() for name in said.split(",") if name.strip()]
    if not names or len(set(names)) != len(names):
        raise UsageError(f"--structures {said!r}: write names, each once: alttrain,no_ha")
    return [name if name == own else load_structure(name, project).name for name in names]


def _say(line: str) -> None:
    click.echo(visible(line, one_line=True), err=True)
