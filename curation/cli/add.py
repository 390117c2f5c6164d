"""`curate add`: prompts and reasoning traces, from files and datasets, into the ledger."""

import json
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.project import open_ledger
from curation.field_maps import describe_field_maps, field_map_names
from curation.language import language
from curation.ledger import Added, Ledger, NewRow
from curation.refusal import READABLE, declines
from curation.screen import name_families
from curation.sources import BadRow, SourceRow, read_source
from schemas.errors import SourceError, UsageError
from schemas.example import Failure, Label

LOT = 2000
"""Rows a transaction: few enough that a kill loses little work, enough that commits cost nothing."""
SHOWN = 10
"""Bad rows that are printed; all of them are in `curate failures --task add`."""


@click.command("add", epilog="\b\n" + describe_field_maps())
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--fields", help=f"Field map by name ({', '.join(field_map_names())}); without it the columns decide.")
@click.option("--map", "pairs", multiple=True, metavar="FIELD=COLUMN", help="e.g. --map prompt=question; repeatable.")
@click.option("--label", type=click.Choice(["harmful", "benign"]), help="Label of every row that brings none.")
@click.option("--source", help="Name of the source, where rows do not name theirs. Without it: the file or dataset.")
@click.option("--license", "license_", help="Licence of every row that brings none.")
@click.option("--revision", help="Revision of a Hub dataset: a commit, tag or branch.")
@click.option("--split", help="Split of a Hub dataset.  [default: train, or the only one]")
@click.option("--strict", is_flag=True, help="Stop at the first bad row.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.pass_obj
def command(
    project: Path,
    sources: tuple[str, ...],
    fields: str | None,
    pairs: tuple[str, ...],
    label: str | None,
    source: str | None,
    license_: str | None,
    revision: str | None,
    split: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Add prompts, with their reasoning traces where there are any, to the ledger.

    SOURCE is a JSONL, CSV or Parquet file, a folder or glob of them, a Hub dataset id, or `packaged`: the project's
    own 256 examples. The same row twice is counted, not doubled. A bad row is listed with file, line and reason, and
    the rest goes on.

    \b
    Examples:
      curate add packaged
      curate add traces.jsonl more/*.parquet
      curate add UCSC-VLAA/STAR-1 --revision main --fields star1
      curate add questions.csv --map prompt=question --map answer=reply --label benign
    """
    mapping = dict(_parse_pair(pair) for pair in pairs)
    total, bad = Added(0, 0, 0, 0), 0
    with open_ledger(project) as ledger:
        for spec in sources:
            lot: list[NewRow] = []
            for row in read_source(
                spec, fields=fields, mapping=mapping, revision=revision, split=split, license=license_, source=source
            ):
                if isinstance(row, BadRow):
                    bad += 1
                    _note_bad_row(ledger, row, bad, strict=strict)
                    continue
                lot.append(_judge(row, Label(label) if label else None))
                if len(lot) == LOT:
                    total = _sum(total, ledger.add(lot, spec))
                    lot = []
            total = _sum(total, ledger.add(lot, spec))
        ledger.set_families(name_families(ledger.prompts()))
    if bad > SHOWN:
        click.echo(f"and {bad - SHOWN} more bad rows: curate failures --task add", err=True)
    if as_json:
        click.echo(json.dumps(total._asdict() | {"bad": bad}))
        return
    click.echo(
        f"added {total.seeds} prompts and {total.traces} traces with {total.labelled} labels; "
        f"{total.repeated} rows were there already, {bad} were bad"
    )
    click.echo("next: curate generate --dry-run" if total.traces else "next: curate status")


def _parse_pair(pair: str) -> tuple[str, str]:
    field, found, column = pair.partition("=")
    if not found or not field:
        raise UsageError(f"--map {pair}: write FIELD=COLUMN, e.g. --map prompt=question")
    return field, column


def _judge(row: SourceRow, label: Label | None) -> NewRow:
    """The row with its label, and whether its answer declines where that decides if a harmful label can be believed."""
    label = row.label or label
    declining = None
    if row.trace is not None and label == Label.HARMFUL and language(row.seed.prompt) in READABLE:
        declining = declines(row.trace.answer, row.seed.category)
    return NewRow(row.seed, row.trace, declining, label)


def _note_bad_row(ledger: Ledger, row: BadRow, number: int, *, strict: bool) -> None:
    line = f"{row.where}: {row.reason}"
    if strict:
        raise SourceError(f"{line} (--strict stops at the first bad row)")
    ledger.add_failure("add", Failure(kind="bad_row", reason=row.reason), place=row.where)
    if number <= SHOWN:
        click.echo(visible(line, one_line=True), err=True)


def _sum(one: Added, other: Added) -> Added:
    return Added(*(a + b for a, b in zip(one, other, strict=True)))
