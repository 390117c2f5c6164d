"""`curate train push`: a run's model goes to the Hub."""

import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import visible
from schemas.errors import CurateError, StructureError
from schemas.hub import hub_address, parse_bare_repo

if TYPE_CHECKING:
    from exports.hub_model import PushedModel
    from schemas.training import RunConfig


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("repo", metavar="ORG/NAME")
@click.option("--merged", type=click.Path(path_type=Path), help="The folder that merge made, in the adapter's place.")
@click.option("--public", is_flag=True, help="Make the model public; it is private otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(project: Path, /, run: Path, repo: str, merged: Path | None, public: bool, as_json: bool) -> None:
    """Bring a run's model to the Hugging Face Hub, read it back and compare hashes.

    Weights, tokenizer, a card that names release, recipe and results, and the record go there; rows, answers, logs and
    checkpoints never do. The token comes from HF_TOKEN; HF_ENDPOINT names another Hub. Safe to stop and repeat: what is
    there is not sent again.

    \b
    Examples:
      curate train push runs/smollm2-cpu-0 org/model
      curate train push runs/smollm2-cpu-0 org/model --merged runs/smollm2-cpu-0/merged
    """
    folder = run if run.is_dir() else project / run
    check(repo, public=public)
    done = push(project, folder, repo, public=public, merged=merged)
    if as_json:
        click.echo(json.dumps(done._asdict()))
    else:
        click.echo(f"{done.url}: {'nothing to do' if done.unchanged else 'pushed'}")


def check(repo: str, *, public: bool) -> None:
    """Asks the Hub whether a model may be pushed there. Raises UsageError or ReleaseError where it may not."""
    repo = parse_bare_repo(repo)
    hub_address(os.environ.get("HF_ENDPOINT"))
    from exports import hub_model

    hub_model.check(repo, say=say, private=not public)


def push(project: Path, run: Path, repo: str, *, public: bool, merged: Path | None = None) -> "PushedModel":
    """Pushes a finished run's model, or what was merged of it. Raises TrainError or ReleaseError."""
    from exports.hub_model import is_gated, licence_of, push_model
    from schemas.settings import EMBEDDED
    from train.card import base_of, release_of
    from train.publish import finished, prepare

    config = finished(run).config
    base, is_on_hub = base_of(config)
    release, revision = release_of(config)
    with tempfile.TemporaryDirectory() as passing:
        files = prepare(
            run,
            merged,
            Path(passing),
            repo,
            base_license=licence_of(base, say) if is_on_hub and config.model != EMBEDDED else None,
            gated=revision is not None and is_gated(release, say),
            derived_from=_derived_from(project, config),
        )
        return push_model(files, repo, say=say, private=not public)


def push_after(project: Path, run: Path, repo: str, *, public: bool, merged: Path | None = None) -> None:
    """Pushes what was just made, and says how to do it alone where the Hub is in the way."""
    try:
        done = push(project, run, repo, public=public, merged=merged)
    except CurateError as error:
        words = ["curate", "train", "push", str(run), repo]
        words += ["--merged", str(merged)] if merged else []
        again = shlex.join([*words, *(["--public"] if public else [])])
        raise type(error)(f"{error}; what was made is whole, and `{again}` sends it") from None
    say(f"{done.url}: {'nothing to do' if done.unchanged else 'pushed'}")


def say(line: str) -> None:
    click.echo(visible(line, one_line=True), err=True)


def _derived_from(project: Path, config: "RunConfig") -> str | None:
    from curation.structures import load_structure

    try:
        return load_structure(config.structure, project).base
    except StructureError:  # a release of others may be in a structure that is not here
        return None
