"""`curate review push`: what waits goes to Argilla."""

import json
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.project import load_settings, open_ledger
from curation.cli.review.pull import bring_answers
from curation.review.accounts import list_annotators
from curation.review.assign import standing
from curation.review.connect import connect
from curation.review.guidelines import keep_version, read_guidelines
from curation.review.hand_out import plan_records
from curation.review.push import Pushed, close_settled, send
from curation.structures import load_structure
from schemas.errors import ReviewError
from schemas.review import QUEUES, Queue


@click.command("push")
@click.argument("queue", nargs=-1, type=click.Choice(["labels", "drafts"]))
@click.option("--structure", help="Another structure than curate.toml's.")
@click.option("--all", "every_label", is_flag=True, help="labels: ask about every prompt, not only doubtful ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(project: Path, queue: tuple[Queue, ...], structure: str | None, every_label: bool, as_json: bool) -> None:
    """Send what waits for people to Argilla: prompts whose label is missing or doubtful, and drafts.

    Answers are pulled first. What was decided or superseded leaves its queue; edited revisions come back for a second
    look; what annotators could not settle goes to the adjudicator. Each revision is there exactly once, whatever is
    stopped and repeated.

    \b
    Examples:
      curate review push                  both queues
      curate review push drafts
      curate review push labels --all     every prompt, some 8 seconds each
    """
    settings = load_settings(project)
    chosen = load_structure(structure or settings.structure, project)
    guidelines = read_guidelines(project)
    queues: tuple[Queue, ...] = queue or ("labels", "drafts")

    def say(line: str) -> None:
        click.echo(line, err=True)

    with open_ledger(project) as ledger:
        argilla = connect(project, settings.review)
        brought = bring_answers(ledger, argilla, project, settings)
        annotators = list_annotators(ledger)
        keep_version(ledger, guidelines)
        closed = close_settled(ledger, argilla, settings.review, [chosen], standing(annotators))
        notes = plan_records(ledger, settings.review, chosen, annotators, queues, every_label=every_label)
        pushed = send(ledger, argilla, settings.review, chosen, guidelines, annotators, say)
    notes = (*brought.pulled.notes, *notes, *pushed.notes)
    if as_json:
        click.echo(
            json.dumps({"sent": pushed.sent, "closed": closed, "refused": list(pushed.refused), "notes": list(notes)})
        )
    else:
        _report(pushed, closed, notes)
    if pushed.refused:
        raise ReviewError(f"{len(pushed.refused)} records were refused by Argilla; the others are there")


def _report(pushed: Pushed, closed: int, notes: tuple[str, ...]) -> None:
    told = ", ".join(f"{pushed.sent[queue]:,} {queue}" for queue in QUEUES if pushed.sent.get(queue))
    click.echo(f"sent: {told}" if told else "nothing to send: everything that waits is in Argilla already")
    if closed:
        click.echo(f"{closed:,} records left their queue")
    for line in (*(f"note: {note}" for note in notes), *(f"refused: {one}" for one in pushed.refused)):
        click.echo(visible(line, one_line=True), err=True)
