"""`curate verify`: whether a release is what it says it is."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten, visible
from curation.cli.releases import RELEASES, find_release
from curation.structures import load_pools, load_structure, structure_names
from schemas.errors import UsageError
from schemas.hub import hub_address, parse_repo
from schemas.release import ProvenanceRow, SftRow

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
    with tempfile.TemporaryDirectory() as passing:
        findings = look(project, find_folder(project, release, Path(passing)))
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


def look(project: Path, folder: Path) -> "list[Finding]":
    """All that is off in a release's folder, by the project's structures and the checks that a row's text can break."""
    from curation.recheck import recheck
    from exports.verify import verify

    pools = load_pools(project)
    structures = {name: load_structure(name, project) for name in structure_names(project)}

    def breaks(row: SftRow, told: ProvenanceRow | None) -> Iterator[str]:
        if row.structure in structures:
            for rule in recheck(row, told, structures[row.structure], pools):
                yield f"breaks the rule {rule.name}: {rule.why}"

    return verify(folder, structures, pools, breaks)


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
