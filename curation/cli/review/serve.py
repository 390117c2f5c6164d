"""`curate review serve`: the project's own Argilla."""

from pathlib import Path

import click

from curation.cli.project import load_settings
from curation.review.server import process
from schemas.errors import UsageError
from schemas.settings import LOOPBACK


@click.command("serve")
@click.option(
    "--host",
    default=process.HOST,
    show_default="this machine alone",
    help="Address to listen on. For a team: behind a TLS proxy, see docs/review-server.md.",
)
@click.option("--port", type=click.IntRange(1, 65535), show_default="6900, or the next free one")
@click.option("--detach", is_flag=True, help="Return when it answers; `curate review stop` ends it.")
@click.pass_obj
def command(project: Path, host: str, port: int | None, detach: bool) -> None:
    """Run this project's own Argilla, the real web page, until Ctrl-C.

    The first time it makes an environment for the server (580 MB, a minute; all projects share it). What people answer
    is kept in the project's folder argilla/. The owner's password and key are printed once.

    \b
    Examples:
      curate review serve                   until Ctrl-C
      curate review serve --detach          in the background
      curate review serve --port 7000
    """
    settings = load_settings(project)
    if settings.review.api_url:
        raise UsageError(
            f"curate.toml names an Argilla of the team's own, {settings.review.api_url}: there is nothing to serve;"
            " take api_url and api_key_env out for one of this project's own"
        )
    folder = project / process.FOLDER
    if found := process.running(folder):
        click.echo(f"Argilla is running already: {found.url} (process {found.pid}); `curate review stop` ends it")
        return
    new = not (folder / process.CREDENTIALS_FILE).exists()

    def ready(server: process.Running) -> None:
        account = process.credentials(folder)
        click.echo(f"Argilla   {server.url}")
        if new:
            click.echo(f"login     {account.username}   password {account.password}")
            click.echo(f"API key   {account.api_key}")
            click.echo(
                f"          shown this once; kept in {folder / process.CREDENTIALS_FILE}, for your account alone"
            )
        else:
            click.echo(f"login     {account.username}   its password is in {folder / process.CREDENTIALS_FILE}")
        if host not in LOOPBACK:
            click.echo("beware    passwords travel as they are: let a TLS proxy or an SSH tunnel stand before it")
        click.echo(f"stop      {'curate review stop' if detach else 'Ctrl-C'}")

    def say(line: str) -> None:
        click.echo(line, err=True)

    if detach:
        ready(process.start_detached(folder, host, port, say=say))
    else:
        process.serve(folder, host, port, say=say, ready=ready)
