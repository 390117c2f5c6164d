"""`curate add`: prompts and reasoning traces, from files and datasets, into the ledger."""

import json
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from curation.cli.console import visible
from curation.cli.project import open_ledger
from curation.doubts import judge_answers
from curation.field_maps import describe_field_maps, field_map_names
from curation.ledger import Added, Ledger, NewRow
from curation.screen import name_families
from curation.sources import BadRow, SourceRow, file_of, read_source
from schemas.errors import SourceError, UsageError
from schemas.example import Failure, Label

LOT = 2000
"""Rows a transaction: few enough that a kill loses little work, enough that commits cost nothing."""
SHOWN = 10
"""Bad rows that are printed; all of them are in `curate failures --task add`."""
NOTHING = Added(0, 0, 0, 0)
NOTES_SHOWN = 3
"""Of what was left out of usable rows, the commonest."""


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
    mapping = dict(parse_pair(pair) for pair in pairs)
    errors: list[Exception] = []
    with open_ledger(project) as ledger:
        # All of them are found before the first is read: a typo in the last one shows at once.
        found = [
            read_source(
                spec, fields=fields, mapping=mapping, revision=revision, split=split, license=license_, source=source
            )
            for spec in sources
        ]
        adding = _Adding(ledger, Label(label) if label else None, strict)
        for rows in found:
            try:
                adding.add(rows)
            except _FirstBadRow as bad_row:
                errors.append(bad_row)
                break
            except SourceError as broken:
                errors.append(broken)  # the other sources go on
            except KeyboardInterrupt:
                errors.append(click.Abort())
                break
        judge_answers(ledger)
        ledger.set_families(name_families(ledger.prompts()))
    if adding.bad > SHOWN:
        click.echo(f"and {adding.bad - SHOWN} more bad rows: curate failures --task add", err=True)
    used = any(adding.total)
    if not errors and adding.bad and not used:
        errors.append(SourceError(f"{', '.join(sources)}: nothing in it can be used, all {adding.bad} rows are bad"))
    if used or not errors:
        adding.report(as_json=as_json)
    for error in errors[:-1]:
        click.echo(f"curate: {visible(str(error), one_line=True)}", err=True)
    if errors:
        raise errors[-1]


class _FirstBadRow(SourceError):
    """The row at which --strict stops."""


@dataclass
class _Adding:
    """What one `curate add` has read so far. `label` is for rows that bring none."""

    ledger: Ledger
    label: Label | None
    strict: bool
    total: Added = NOTHING
    bad: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Iterable[SourceRow | BadRow]) -> None:
        """Takes in the rows of one source. Whatever stops it, what was read till then is in the ledger."""
        lot: list[NewRow] = []
        bad_rows: dict[str, set[tuple[str, str]]] = defaultdict(set)
        try:
            for row in rows:
                of_file = bad_rows[file_of(row.where)]
                if isinstance(row, BadRow):
                    of_file.add((row.where, row.reason))
                    self._note_bad_row(row)
                    continue
                lot.append(NewRow(row.seed, row.trace, row.label or self.label))
                self.notes.update([row.note] if row.note else [])
                if len(lot) == LOT:
                    self._save(lot)
                    lot = []
        except (SourceError, KeyboardInterrupt):
            self._save(lot)
            raise
        self._save(lot)
        for file, still in bad_rows.items():
            if not any(place == file for place, _ in still):  # or it was not read to its end
                self.ledger.clear_mended_rows(file, still)

    def _save(self, lot: Sequence[NewRow]) -> None:
        self.total = Added(*map(operator.add, self.total, self.ledger.add(lot)))

    def _note_bad_row(self, row: BadRow) -> None:
        line = f"{row.where}: {row.reason}"
        self.bad += 1
        self.ledger.add_failure("add", Failure(kind="bad_row", reason=row.reason), place=row.where)
        if self.strict:
            raise _FirstBadRow(f"{line} (--strict stops at the first bad row; those before it are kept)")
        if self.bad <= SHOWN:
            click.echo(visible(line, one_line=True), err=True)

    def report(self, *, as_json: bool) -> None:
        total = self.total
        if as_json:
            click.echo(json.dumps(total._asdict() | {"bad": self.bad, "notes": dict(self.notes.most_common())}))
            return
        click.echo(
            f"added {total.seeds} prompts and {total.traces} traces with {total.labelled} labels; "
            f"{total.repeated} rows were there already, {self.bad} were bad"
        )
        for note, rows in self.notes.most_common(NOTES_SHOWN):
            click.echo(f"{rows} {'row' if rows == 1 else 'rows'}: {note}")
        if any(total):
            click.echo("next: curate generate --dry-run" if total.traces else "next: curate status")


def parse_pair(pair: str) -> tuple[str, str]:
    """`FIELD=COLUMN`, taken apart. Raises UsageError where it is not of that form."""
    field, found, column = pair.partition("=")
    if not found or not field:
        raise UsageError(f"--map {pair}: write FIELD=COLUMN, e.g. --map prompt=question")
    return field, column
