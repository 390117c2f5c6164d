"""`curate push`: a release goes to the Hub."""

import json
import os
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.releases import RELEASES, is_folder, newest_name
from schemas.errors import UsageError
from schemas.hub import hub_address, parse_bare_repo, require_release_name


@click.command("push")
@click.argument("repo", metavar="ORG/NAME")
@click.option("--release", metavar="NAME", help="Which release.", show_default="the newest")
@click.option("--public", is_flag=True, help="Make the dataset public; it is private otherwise.")
@click.option("--gated", is_flag=True, help="Readers have to ask for access.")
@click.option("--allow-unreviewed", is_flag=True, help="Although there are rows that no person decided on.")
@click.option("--dry-run", is_flag=True, help="Ask the Hub and say what would happen; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(
    project: Path,
    repo: str,
    release: str | None,
    public: bool,
    gated: bool,
    allow_unreviewed: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring a release to the Hugging Face Hub, tag it with its name, read it back and compare hashes.

    The token comes from HF_TOKEN; HF_ENDPOINT names another Hub. Safe to stop and repeat: what is there is not sent
    again, and an unchanged release changes nothing.

    \b
    Examples:
      curate push org/name --dry-run
      curate push org/name
      curate push org/name --release v1 --gated
    """
    repo = parse_bare_repo(repo)
    hub_address(os.environ.get("HF_ENDPOINT"))
    if release is not None:
        require_release_name(release)
    folder = project / RELEASES / (release or newest_name(project))
    if not is_folder(folder):
        raise UsageError(f"{folder}: no such release; `curate export` makes one")
    from exports.hub import push

    def say(line: str) -> None:
        click.echo(visible(line, one_line=True), err=True)

    done = push(
        folder,
        repo,
        tag=folder.name,
        say=say,
        private=not public,
        gated=gated,
        allow_unreviewed=allow_unreviewed,
        dry_run=dry_run,
    )
    if as_json:
        click.echo(
            json.dumps(
                {
                    "repo": done.repo,
                    "tag": done.tag,
                    "revision": done.revision,
                    "url": done.url,
                    "unchanged": done.unchanged,
                    "private": done.private,
                    "gated": done.gated,
                    "dry_run": dry_run,
                }
            )
        )
    elif not dry_run:
        click.echo(f"{done.url}: {'nothing to do, ' if done.unchanged else ''}{done.tag} is {done.revision}")
