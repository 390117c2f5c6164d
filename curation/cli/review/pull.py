"""`curate review pull`: answers come into the ledger and are decided."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from curation.cli.console import visible
from curation.cli.project import load_settings, open_ledger
from curation.ledger import Ledger
from curation.review.accounts import list_annotators
from curation.review.assign import standing
from curation.review.connect import connect
from curation.review.pull import Pulled, pull
from curation.review.settle import House, Settled, settle
from curation.status import started_structures
from curation.structures import load_pools, load_structure
from schemas.settings import Settings
from schemas.structure import Structure

if TYPE_CHECKING:
    import argilla as rg


OUTCOMES = {
    "approved": "approved",
    "edited": "edited",
    "rejected": "rejected",
    "relabelled": "with another label",
    "adjudicate": "for the adjudicator",
    "waiting": "open again",
}


class Brought(NamedTuple):
    """What came of a pull."""

    pulled: Pulled
    settled: Settled
    retired: int
    """Drafts whose branch a new label left."""


@click.command("pull")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(project: Path, as_json: bool) -> None:
    """Bring answers from Argilla into the ledger, each once, and decide what they allow.

    An edit becomes a new revision, checked again; "the label is wrong" becomes a label, and the next generate makes
    the other branch. Saved drafts stay in Argilla. Safe to stop and repeat.

    \b
    Examples:
      curate review pull
      curate review pull && curate review push      edits go back into the queue for a second look
      curate review pull --json | jq .decisions
    """
    settings = load_settings(project)
    with open_ledger(project) as ledger:
        argilla = connect(project, settings.review)
        brought = bring_answers(ledger, argilla, project, settings)
        waiting = _waiting_revisions(ledger)
    saved, settled = brought.pulled.saved, brought.settled
    if as_json:
        summary = {
            "new": saved.new,
            "changed": saved.changed,
            "decisions": dict(settled.decisions),
            "revisions": settled.revisions,
            "labels": settled.labels,
            "retired": brought.retired,
            "notes": list(brought.pulled.notes),
        }
        click.echo(json.dumps(summary))
        return
    click.echo(f"{saved.new:,} answers, {saved.changed:,} changed ones")
    if settled.decisions:
        told = ", ".join(
            f"{settled.decisions[name]:,} {said}" for name, said in OUTCOMES.items() if settled.decisions.get(name)
        )
        click.echo(f"decided: {told}")
    if settled.labels:
        click.echo(f"{settled.labels:,} labels; {brought.retired:,} drafts left their branch: next: curate generate")
    if waiting:
        click.echo(f"{waiting:,} edited revisions wait for a second look: next: curate review push")
    for note in brought.pulled.notes:
        click.echo(f"note: {visible(note, one_line=True)}", err=True)


def bring_answers(ledger: Ledger, argilla: "rg.Argilla", project: Path, settings: Settings) -> Brought:
    """Pulls and decides. Raises ReviewError, LedgerError, StructureError."""
    annotators = list_annotators(ledger)
    structures = reviewed_structures(ledger, project, settings)
    pulled = pull(ledger, argilla, settings.review, structures, annotators, lambda line: None)
    house = House(
        rules=settings.review,
        structure=lambda name: load_structure(name, project),
        pools=load_pools(project),
        standing=standing(annotators),
        benign_max_tokens=settings.benign_max_tokens,
    )
    settled = settle(ledger, house)
    return Brought(pulled, settled, ledger.retire_drafts())


def reviewed_structures(ledger: Ledger, project: Path, settings: Settings) -> list[Structure]:
    """The project's own structure first, then every other that something was made in."""
    own = load_structure(settings.structure, project)
    others = [name for name in started_structures(ledger) if name != own.name]
    return [own, *(load_structure(name, project) for name in others)]


def _waiting_revisions(ledger: Ledger) -> int:
    ((count,),) = ledger.query(
        "SELECT COUNT(*) FROM drafts_now WHERE revision > 1 AND NOT blocked AND NOT EXISTS"
        " (SELECT 1 FROM review_records WHERE review_records.revision_id = drafts_now.revision_id)"
        " AND NOT EXISTS (SELECT 1 FROM decisions_now WHERE decisions_now.revision_id = drafts_now.revision_id)"
    )
    return int(str(count))
