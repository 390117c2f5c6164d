"""`curate verify`: whether a release is what it says it is."""

import json
import tempfile
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.export import RELEASES
from curation.structures import load_pools, load_structure, structure_names
from schemas.errors import ReleaseError


@click.command("verify")
@click.argument("release", metavar="PATH|ORG/NAME[@REV]")
@click.option("--json", "as_json", is_flag=True, help="The findings as a JSON list.")
@click.pass_obj
def command(project: Path, release: str, as_json: bool) -> None:
    """Check any release, of this tool or a stranger's with the same rows: schema, spans, duplicates, families on both
    sides of the split, hashes, card against data.

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
        findings = verify(_folder(project, release, Path(passing)), structures, pools)
    off = [one for one in findings if not one.unchecked]
    if as_json:
        click.echo(json.dumps([one._asdict() for one in findings], indent=2))
    else:
        for one in findings:
            kind = "not checked" if one.unchecked else "off"
            where = f"{one.where}: " if one.where else ""
            click.echo(visible(f"{kind}: {where}{one.what}", one_line=True))
        click.echo(f"{release}: {f'{len(off):,} things are off' if off else 'nothing is off'}")
    if off:
        click.get_current_context().exit(1)


def _folder(project: Path, release: str, passing: Path) -> Path:
    """The release's folder: as it is named, in the project, or downloaded from the Hub."""
    for path in (Path(release), project / release):
        if path.is_dir():
            return path
    if release.startswith((".", "/", f"{RELEASES}/")) or release.count("/") != 1:
        raise ReleaseError(f"{release}: no such folder; a dataset on the Hub is named org/name")
    from exports.hub import fetch, parse_repo

    name = parse_repo(release)
    return fetch(name.repo, name.revision, passing / "release", say=lambda line: click.echo(line, err=True))
