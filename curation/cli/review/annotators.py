"""`curate review annotators`: accounts in Argilla, and who is asked about what."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from curation.cli.output import open_console, print_parts
from curation.cli.project import load_settings, open_ledger
from schemas.errors import ReviewError
from schemas.review import Annotator

if TYPE_CHECKING:
    from rich.console import RenderableType

    from curation.review.accounts import Workload

ONCE = "passwords are shown this once and kept nowhere: hand them over now (a lost one: `annotators reset-password`)"
SHARED_ANEW = "the next `curate review push` shares the open records out anew"


@click.group("annotators")
def command() -> None:
    """Make the accounts that people, or programs, review with.

    Each record goes to a few of them in turn, never to who wrote its text, and not to who opted out of its category.
    A machine account never stands in for a person, and what it decides stays marked as a machine's.

    \b
    Examples:
      curate review annotators add a1 a2 a3
      curate review annotators add chief --adjudicator
      curate review annotators list
      curate review annotators opt-out a2 self_harm sexual
      curate review annotators deactivate a3
      curate review annotators reset-password a1
    """


@command.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--machine", is_flag=True, help="A program answers with it: marked as such, never counted as a person.")
@click.option("--adjudicator", is_flag=True, help="Decides what annotators could not; a workspace of its own.")
@click.option("--opt-out", "categories", multiple=True, metavar="CATEGORY", help="Goes to others. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list, passwords included.")
@click.pass_obj
def add(
    project: Path, names: tuple[str, ...], machine: bool, adjudicator: bool, categories: tuple[str, ...], as_json: bool
) -> None:
    """Make accounts in Argilla, each with a random password that is shown once.

    An account that Argilla has already is adopted: it keeps its password. One that was deactivated is active again.

    \b
    Examples:
      curate review annotators add a1 a2 a3
      curate review annotators add a4 --opt-out self_harm --opt-out sexual
      curate review annotators add judge --adjudicator
      curate review annotators add gpt --machine
    """
    from curation.review.annotators import add_annotators, prepare_annotators
    from curation.review.connect import connect

    settings = load_settings(project).review
    with open_ledger(project) as ledger:
        annotators = prepare_annotators(
            ledger,
            names,
            kind="machine" if machine else "person",
            role="adjudicator" if adjudicator else "annotator",
            opted_out=categories,
        )
        argilla = connect(project, settings)
        added = add_annotators(argilla, ledger, annotators, settings.workspace)
        if as_json:
            click.echo(f"curate: {ONCE}", err=True)
            rows: list[dict[str, object]] = []
            try:
                rows += ({**one.annotator.model_dump(mode="json"), "password": one.password} for one in added)
            finally:  # those that were made before one failed have passwords too
                click.echo(json.dumps(rows, indent=2))
            return
        made = False
        for one in added:  # printed one by one: what was printed is not lost where a later one fails
            made = made or one.password is not None
            said = f"password: {one.password}" if one.password else "adopted: it keeps the password it has in Argilla"
            click.echo(f"{one.annotator.name:<16}  {said}")
    click.echo(f"log in at {argilla.api_url}; {SHARED_ANEW}")
    if made:
        click.echo(f"curate: {ONCE}", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_obj
def list_(project: Path, as_json: bool) -> None:
    """List the accounts: kind and role, what each has answered and has before it, what it opted out of.

    An account that somebody deleted in Argilla is marked. Without a running Argilla the rest is shown.

    \b
    Examples:
      curate review annotators list
      curate review annotators list --json
    """
    from curation.review.accounts import list_annotators, workloads
    from curation.review.annotators import find_missing
    from curation.review.connect import connect

    settings = load_settings(project).review
    with open_ledger(project) as ledger:
        annotators = list_annotators(ledger)
        loads = workloads(ledger)
    missing: frozenset[str] | None = None
    if annotators:
        try:
            missing = find_missing(connect(project, settings), annotators)
        except ReviewError as error:
            click.echo(f"curate: whether the accounts are still there is not known: {error}", err=True)
    rows = [_Row(one, loads.get(one.name), None if missing is None else one.name in missing) for one in annotators]
    if as_json:
        click.echo(json.dumps([row.to_json() for row in rows], indent=2))
    elif not rows:
        click.echo("No annotators yet: `curate review annotators add NAME...`")
    else:
        print_parts(open_console(), _table(rows))


@command.command("deactivate")
@click.argument("name")
@click.pass_obj
def deactivate(project: Path, name: str) -> None:
    """Take someone out of the workspace. What they answered counts; the rest goes to others. `add` brings them back.

    \b
    Examples:
      curate review annotators deactivate a3
    """
    from curation.review.annotators import deactivate as take_out
    from curation.review.annotators import require_annotator
    from curation.review.connect import connect

    settings = load_settings(project).review
    with open_ledger(project) as ledger:
        require_annotator(ledger, name)
        take_out(connect(project, settings), ledger, settings.workspace, name)
    click.echo(f"{name} is not asked any more; {SHARED_ANEW}")


@command.command("opt-out")
@click.argument("name")
@click.argument("categories", nargs=-1, required=True, metavar="CATEGORY...")
@click.option("--undo", is_flag=True, help="They take these categories again.")
@click.pass_obj
def opt_out(project: Path, name: str, categories: tuple[str, ...], undo: bool) -> None:
    """Send records of these categories to others. Nobody has to say why.

    \b
    Examples:
      curate review annotators opt-out a2 self_harm sexual
      curate review annotators opt-out a2 sexual --undo
    """
    from curation.review.annotators import opt_out as take_out

    load_settings(project)
    with open_ledger(project) as ledger:
        annotator = take_out(ledger, name, categories, undo=undo)
    click.echo(f"{name} opted out of: {', '.join(annotator.opted_out) or 'nothing'}; {SHARED_ANEW}")


@command.command("reset-password")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def reset_password(project: Path, name: str, as_json: bool) -> None:
    """Give an account a new random password, shown once. Its answers stay.

    \b
    Examples:
      curate review annotators reset-password a1
    """
    from curation.review.annotators import require_annotator
    from curation.review.annotators import reset_password as reset
    from curation.review.connect import connect

    settings = load_settings(project).review
    with open_ledger(project) as ledger:
        require_annotator(ledger, name)
        password = reset(connect(project, settings), ledger, name)
    click.echo(json.dumps({"name": name, "password": password}) if as_json else f"{name:<16}  password: {password}")
    click.echo(f"curate: {ONCE}", err=True)


class _Row(NamedTuple):
    annotator: Annotator
    workload: "Workload | None"
    missing: bool | None
    """Whether Argilla has lost the account; None: not known."""

    @property
    def answered(self) -> int:
        return self.workload.answered if self.workload else 0

    @property
    def waiting(self) -> int:
        return self.workload.waiting if self.workload else 0

    def to_json(self) -> dict[str, object]:
        own = self.annotator.model_dump(mode="json")
        return own | {"answered": self.answered, "waiting": self.waiting, "missing_in_argilla": self.missing}


def _table(rows: Sequence[_Row]) -> Iterator["RenderableType"]:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("name", "role", "pseudonym"):
        table.add_column(name, no_wrap=True)
    for name in ("answered", "waiting"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("opted out of", overflow="fold")
    for row in rows:
        one = row.annotator
        role = one.role if one.kind == "person" else f"machine {one.role}"
        signs = [*([] if one.active else ["inactive"]), *(["deleted in Argilla"] if row.missing else [])]
        table.add_row(
            *(one.name, f"{role} ({', '.join(signs)})" if signs else role, one.pseudonym),
            *(f"{row.answered:,}", f"{row.waiting:,}", ", ".join(one.opted_out)),
            style="" if one.active else "dim",
        )
    yield table
