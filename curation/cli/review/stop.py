"""`curate review stop`: ends the project's own Argilla."""

from pathlib import Path

import click

from curation.cli.project import load_settings
from curation.review.server import process


@click.command("stop")
@click.pass_obj
def command(project: Path) -> None:
    """End this project's own Argilla. Answers in work are stored first; nothing is lost.

    \b
    Examples:
      curate review stop
    """
    load_settings(project)
    ended = process.stop(project / process.FOLDER)
    click.echo(f"Argilla at {ended.url} is stopped" if ended else "Argilla is not running")
