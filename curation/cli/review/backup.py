"""`curate review backup`: a copy of Argilla's database."""

from pathlib import Path

import click

from curation.cli.project import load_settings
from curation.review.server import process


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def command(project: Path, file: Path) -> None:
    """Copy Argilla's database into FILE, a new file, while it runs or not.

    It holds texts, answers and accounts: keep it as you keep the project. How to restore it: docs/review-server.md.

    \b
    Examples:
      curate review backup monday.db
    """
    load_settings(project)
    process.backup(project / process.FOLDER, file)
    click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
