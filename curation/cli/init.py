"""`curate init`: a project folder."""

from importlib.resources import files
from pathlib import Path

import click

from curation.cli.project import LEDGER_FILE, SETTINGS_FILE
from curation.ledger import Ledger
from curation.review.guidelines import FILE as GUIDELINES_FILE
from schemas.errors import UsageError

TEMPLATES = {SETTINGS_FILE: "curate.toml", GUIDELINES_FILE: "guidelines.md", ".gitignore": "gitignore"}


@click.command("init")
@click.argument("name", type=click.Path(path_type=Path))
@click.pass_obj
def command(project: Path, name: Path) -> None:
    """Make the project folder NAME: settings, guidelines for annotators, an empty ledger, and a .gitignore that keeps
    the ledger out of git.

    What is there already is left as it is, so it is safe to run twice.

    \b
    Examples:
      curate init demo          a new folder
      curate init .             this folder
    """
    folder = project / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = [path for path, template in TEMPLATES.items() if _write_new(folder / path, template)]
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from None
    if not (folder / LEDGER_FILE).exists():
        made.append(LEDGER_FILE)
    Ledger.open(folder / LEDGER_FILE, create=True).connection.close()
    click.echo(f"{folder}: {'made ' + ', '.join(made) if made else 'nothing to do, it is a project already'}")
    if made:
        inside = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
        click.echo(f"next: {inside}curate add packaged")


def _write_new(path: Path, template: str) -> bool:
    text = files("curation").joinpath("templates", template).read_text("utf-8")
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        return False
    return True
