"""`curate verify`: whether a release is what it says it is."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten, visible
from curation.cli.releases import RELEASES, find_release
from curation.structures import load_pools, load_structure, structure_names
from schemas.errors import UsageError
from schemas.hub import hub_address, parse_repo
from schemas.release import ProvenanceRow, SftRow
from schemas.structure import Pools, Structure

if TYPE_CHECKING:
    from exports.verify import Finding


@click.command("verify")
@click.argument("release", metavar="PATH|ORG/NAME[@REV]")
@click.option("--json", "as_json", is_flag=True, help="The findings as a JSON list.")
@click.pass_obj
def command(project: Path, release: str, as_json: bool) -> None:
    """Check any release, of this tool or a stranger's with the same rows: schema, spans, checks, duplicates, families
    on both sides of the split, hashes, card against data.

    Exit code 1 where something is off, with a list of it. What could not be looked at is said, and is no fault.

    \b
    Examples:
      curate verify releases/v1
      curate verify org/name
      curate verify org/name@v1 --json
    """
    from exports.verify import verify

    pools = load_pools(project)
    structures = {name: load_structure(name, project) for name in structure_names(project)}
    with tempfile.TemporaryDirectory() as passing:
        folder = find_folder(project, release, Path(passing))
        findings = verify(folder, structures, pools)
        findings += _break_rules(folder, structures, pools)
    off = [one for one in findings if not one.unchecked]
    if as_json:
        click.echo(json.dumps([one._asdict() for one in findings], indent=2))
    else:
        for one in findings:
            kind = "not checked" if one.unchecked else "off"
            where = f"{one.where}: " if one.where else ""
            click.echo(visible(f"{kind}: {where}{one.what}", one_line=True))
        click.echo(f"{shorten(release, 80)}: {_outcome(len(off), len(findings) - len(off))}")
    if off:
        click.get_current_context().exit(1)


def _break_rules(folder: Path, structures: Mapping[str, Structure], pools: Pools) -> "list[Finding]":
    """Rows whose text a check would have blocked, were it a draft; those that are no rows were found before."""
    from curation.recheck import recheck
    from exports.layout import DEFAULT, PROVENANCE
    from exports.verify import Finding, alike, plain, rows_of_folder

    rows, told = rows_of_folder(folder, DEFAULT, SftRow), rows_of_folder(folder, PROVENANCE, ProvenanceRow)
    by_id = {one.id: one for one in told}
    return alike(
        Finding(plain(row.id), f"breaks the rule {rule.name}: {rule.why}")
        for row in rows
        if row.structure in structures and [message.role for message in row.completion] == ["assistant"]
        for rule in recheck(row, by_id.get(row.id), structures[row.structure], pools)
    )


def _outcome(off: int, unchecked: int) -> str:
    said = f"{_things(off)} {'is' if off == 1 else 'are'} off" if off else "nothing is off"
    return f"{said}; {_things(unchecked)} could not be checked" if unchecked else said


def _things(count: int) -> str:
    return f"{count:,} thing{'' if count == 1 else 's'}"


def find_folder(project: Path, release: str, passing: Path) -> Path:
    """The release's folder: in the project or as it is named, else downloaded from the Hub."""
    if folder := find_release(project, release):
        return folder
    if release.startswith((".", "/", "~", f"{RELEASES}/")) or release.count("/") != 1:
        raise UsageError(f"{shorten(release, 80)}: no such folder; a dataset on the Hub is named org/name")
    name = parse_repo(release)
    hub_address(os.environ.get("HF_ENDPOINT"))
    from exports.hub import fetch

    def say(line: str) -> None:
        click.echo(visible(line, one_line=True), err=True)

    return fetch(name.repo, name.revision, passing / "release", say=say)
