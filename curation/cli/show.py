"""`curate show`: a list of drafts, or one row with everything that is known about it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from curation.cli.console import shorten, visible
from curation.cli.output import open_console, print_csv, print_json, print_parts, require_one_form
from curation.cli.project import open_ledger
from curation.record import DraftRecord, FailedTask, OriginPiece, PaidCall, Record, TraceRecord, read_record
from curation.status import ListedDraft, list_drafts

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

SIDE_BY_SIDE = 100
"""Columns of a terminal that hold trace and draft beside each other."""

HEAD, TAIL = 700, 300
"""Characters that stay of a long text when it is folded."""

STAGE_STYLES = {"understanding": "cyan", "assessment": "magenta", "reasoning": "green", "answer": "blue"}
OTHER_STAGES = "yellow"
STATE_STYLES = {"passing": "green", "flagged": "yellow", "blocked": "red"}
ORIGIN_STYLES = {"written": "bold underline", "drawn": "italic", "person": "bold"}
PIECE_HEADER = (
    *("draft_id", "revision", "stage", "origin", "start", "end", "source_start", "wording"),
    *("endpoint", "model", "prompt_version", "text"),
)


class Look(NamedTuple):
    """How a record is drawn. `plain`: without colours, so what the LLM wrote stands between marks."""

    width: int
    plain: bool
    full: bool


@click.command("show")
@click.argument("row_id", metavar="[ID]", required=False)
@click.option("--structure", metavar="NAME", help="Only drafts of this structure.")
@click.option("--branch", type=click.Choice(["harmful", "benign"]), help="List only drafts of this branch.")
@click.option("--rule", metavar="NAME", help="List only drafts where this rule fired.")
@click.option("--blocked", is_flag=True, help="List only drafts that a blocking rule stopped.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="List at most so many.")
@click.option("--full", is_flag=True, help="With an ID: long texts whole.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV: a line a draft, or with an ID a line a piece of text.")
@click.pass_obj
def command(
    project: Path,
    row_id: str | None,
    structure: str | None,
    branch: str | None,
    rule: str | None,
    blocked: bool,
    limit: int,
    full: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show a row: its prompt with what was said of it, the original trace and the draft side by side, who wrote
    what, the checks in words, and what it cost. Without ID: the newest drafts.

    ID is that of a seed, trace, draft or revision, or its first 4 characters or more where no other begins so,
    or the row's own id in its source.

    \b
    Examples:
      curate show                            the newest drafts
      curate show --rule policy_cited        those where a rule fired
      curate show --blocked --branch benign
      curate show d07be                      one draft beside its trace
      curate show d07be.1 --full             its first revision, nothing folded
      curate show s3f0c --structure no_ha    a seed's draft in another structure
      curate show d07be --json | jq .traces[0].draft.completion
    """
    require_one_form(as_json, as_csv)
    if row_id is not None:
        with open_ledger(project) as ledger:
            record = read_record(ledger, row_id, structure)
        if as_json:
            print_json(record)
        elif as_csv:
            print_csv(PIECE_HEADER, _piece_rows(record))
        else:
            console = open_console()
            print_parts(console, _record_parts(record, Look(console.width, _is_plain(console), full)))
        return
    with open_ledger(project) as ledger:
        drafts = list_drafts(ledger, structure=structure, branch=branch, rule=rule, blocked=blocked, limit=limit)
    if as_json:
        print_json(drafts)
    elif as_csv:
        fields = tuple(ListedDraft.model_fields)
        print_csv(fields, ([*map(_cell, draft.model_dump().values())] for draft in drafts))
    elif not drafts:
        any_filter = structure or branch or rule or blocked
        click.echo("No such draft." if any_filter else "No drafts yet; `curate generate` makes them.")
    else:
        console = open_console()
        print_parts(console, [_drafts_table(drafts, console.width)])


def _cell(value: object) -> object:
    return " ".join(value) if isinstance(value, tuple) else value


def _drafts_table(drafts: Sequence[ListedDraft], width: int) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    for draft in drafts:
        fired = ": " + ", ".join(draft.rules) if draft.rules else ""
        head = Text.assemble(
            f"{visible(draft.structure)}  {draft.branch}  ",
            (draft.state + visible(fired, one_line=True), STATE_STYLES[draft.state]),
        )
        head.append("\n" + shorten(draft.prompt, max(20, width - 24)), style="dim")
        table.add_row(draft.draft_id, head)
    return table


def _piece_rows(record: Record) -> Iterator[Sequence[object]]:
    for trace in record.traces:
        if trace.draft is None:
            continue
        calls = {call.id: call for call in trace.calls}
        for piece in trace.draft.pieces:
            call = calls.get(piece.call_id or 0)
            yield (
                *(trace.draft.id, trace.draft.revision, piece.stage, piece.origin, piece.span.start, piece.span.end),
                *(piece.source_start, piece.wording),
                *((call.endpoint, call.model, call.prompt_version) if call else (None, None, None)),
                piece.span.of(trace.draft.completion),
            )


def _is_plain(console: "Console") -> bool:
    return console.no_color or console.color_system is None


def _record_parts(record: Record, look: Look) -> Iterator["RenderableType"]:
    from rich.text import Text

    seed = record.seed
    about = (
        *(seed.source, f"row {seed.source_id}" if seed.source_id else None, seed.category, seed.style, seed.license),
        f"family {seed.family}" if seed.family else None,
    )
    yield _heading("Prompt", seed.id, about)
    yield _indent(_fold(Text(visible(seed.prompt)), look))
    yield Text()
    if seed.reference:
        yield Text.assemble(("Known right answer", "bold"), "  " + shorten(seed.reference, 200))
    yield from _label_parts(record)
    yield from _failure_parts(record.failures)
    for trace in record.traces:
        yield Text()
        yield from _trace_parts(trace, look)
    if not record.traces:
        yield Text("\nNo trace yet; `curate trace` asks a reasoning model for one.")


def _heading(kind: str, row_id: str | None, about: Sequence[str | None], style: str = "dim") -> "Text":
    from rich.text import Text

    told = " · ".join(visible(part, one_line=True) for part in about if part)
    name = (" " + visible(row_id), "cyan") if row_id else ""
    return Text.assemble((kind, "bold"), name, "  ", (told, style))


def _label_parts(record: Record) -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    now = f"{record.label} (by a {record.label_from})" if record.label else "no label"
    yield Text.assemble(("Labels", "bold"), f"  now: {now}")
    table = Table.grid(padding=(0, 2))
    for event in record.labels:
        said = visible(event.author, one_line=True) + (f": {visible(event.note, one_line=True)}" if event.note else "")
        table.add_row(Text(event.label), Text(event.origin), Text(event.at[:16].replace("T", " "), "dim"), Text(said))
    if record.labels:
        yield _indent(table)


def _failure_parts(failures: Sequence[FailedTask]) -> Iterator["RenderableType"]:
    from rich.text import Text

    for failed in failures:
        reason = visible(failed.failure.reason, one_line=True)
        yield Text.assemble(
            ("Failed ", "bold red"), f"{visible(failed.task)}: {visible(failed.failure.kind)}: {reason}"
        )


def _trace_parts(record: TraceRecord, look: Look) -> Iterator["RenderableType"]:
    from rich.text import Text

    draft = record.draft
    if draft:
        yield from _draft_heading(draft)
        yield Text()
    yield from _texts(record, look)
    yield from _failure_parts(record.failures)
    if draft:
        yield Text.assemble(("Checks", "bold"), "" if draft.checks else "  no rule fired")
        for check in draft.checks:
            name, style = ("blocks", "red") if check.blocking else ("flag  ", "yellow")
            told = Text.assemble((name, style), f"  {visible(check.rule)}: {visible(check.reason, one_line=True)}")
            yield _indent(told)
        if draft.notes:
            yield Text.assemble(("Notes", "bold"), "  " + visible(", ".join(draft.notes), one_line=True))
    yield from _cost_parts(record.calls)
    for other in record.other_drafts:
        yield Text.assemble(("Also ", "bold"), (other.id, "cyan"), f"  {visible(other.structure)}")


def _draft_heading(draft: DraftRecord) -> Iterator["RenderableType"]:
    from rich.text import Text

    state = "blocked" if draft.blocked else "flagged" if draft.checks else "passing"
    of = {"person": "a person's label", "dataset": "the dataset's label", "model": "the model's verdict"}
    heading = _heading("Draft", f"{draft.id}.{draft.revision}", (draft.structure, f"{draft.branch} branch"), style="")
    heading.append(" · ").append(state, STATE_STYLES[state])
    yield heading
    verdict = f", blind verdict {draft.model_verdict}" if draft.model_verdict else ""
    disagrees = draft.model_verdict is not None and draft.model_verdict != draft.branch
    yield Text.assemble(
        f"  branch from {of[draft.branch_from]}{verdict}",
        (" (they disagree)" if disagrees else "", "yellow"),
        (f" · revision {draft.revision} of {draft.revisions}, by {visible(draft.author, one_line=True)}", "dim"),
    )


def _texts(record: TraceRecord, look: Look) -> Iterator["RenderableType"]:
    """The original and the draft, beside each other where the terminal is wide enough."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    pieces = record.draft.pieces if record.draft else ()
    trace = record.trace
    complied = "complied with what the dataset calls harmful" if record.source_complied else None
    original = Group(
        _heading("Original trace", trace.id, (trace.model, f"{len(trace.text):,} characters")),
        _indent(_fold(_used(trace.text, [piece for piece in pieces if piece.origin == "trace"]), look)),
        Text(),
        _heading("Original answer", None, (complied, f"{len(trace.answer):,} characters")),
        _indent(_fold(_used(trace.answer, [piece for piece in pieces if piece.origin == "answer"]), look)),
        Text(),
    )
    if record.draft is None:
        yield original
        return
    altered = Group(*_stage_parts(record.draft, {call.id: call for call in record.calls}, look), _legend(pieces, look))
    if look.width < SIDE_BY_SIDE:
        yield original
        yield altered
    else:
        table = Table.grid(padding=(0, 3), expand=True)
        table.add_column(ratio=1, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        table.add_row(original, altered)
        yield table
    yield Text()


def _used(original: str, pieces: Sequence[OriginPiece]) -> "Text":
    """An original text, what the draft took of it in the colour of its stage and the rest faint."""
    from rich.text import Text

    text, at = Text(), 0
    for piece in sorted(pieces, key=lambda piece: piece.source_start or 0):
        start = max(at, piece.source_start or 0)
        end = max(start, (piece.source_start or 0) + piece.span.end - piece.span.start)
        text.append(visible(original[at:start]), "dim")
        text.append(visible(original[start:end]), STAGE_STYLES.get(piece.stage, OTHER_STAGES))
        at = end
    return text.append(visible(original[at:]), "dim" if pieces else "")


def _stage_parts(draft: DraftRecord, calls: Mapping[int, PaidCall], look: Look) -> Iterator["RenderableType"]:
    from rich.text import Text

    for stage, run in groupby(draft.pieces, key=lambda piece: piece.stage):
        pieces, style = [*run], STAGE_STYLES.get(stage, OTHER_STAGES)
        origins = dict.fromkeys(_name_origin(piece, calls) for piece in pieces)
        yield Text.assemble((visible(stage), f"bold {style}"), ("  " + " + ".join(origins), "dim"))
        text = Text(style=style)
        for piece in pieces:
            words = visible(piece.span.of(draft.completion))
            marked = f"⟦{words}⟧" if look.plain and piece.origin == "written" else words
            text.append(marked, ORIGIN_STYLES.get(piece.origin))
        yield _indent(_fold(text, look))
        yield Text()


def _name_origin(piece: OriginPiece, calls: Mapping[int, PaidCall]) -> str:
    if piece.origin == "drawn":
        return f"drawn: {visible(piece.wording or '', one_line=True)}"
    if piece.origin == "written":
        call = calls.get(piece.call_id or 0)
        if call is None:
            return "written by the LLM"
        return visible(f"written: {call.endpoint}, {call.model}, {call.prompt_version}", one_line=True)
    if piece.origin == "person":
        return "typed by a person"
    start = piece.source_start or 0
    source = "the trace" if piece.origin == "trace" else "the original answer"
    return f"from {source}, characters {start:,}–{start + piece.span.end - piece.span.start:,}"


def _legend(pieces: Sequence[OriginPiece], look: Look) -> "Text":
    from rich.text import Text

    told = {"written": "written by the LLM", "drawn": "drawn from a pool", "person": "typed by a person"}
    origins = {piece.origin for piece in pieces}
    if look.plain:
        return Text("⟦…⟧ written by the LLM" if "written" in origins else "")
    return Text(" · ").join(
        Text(words, ORIGIN_STYLES[origin] + " dim") for origin, words in told.items() if origin in origins
    )


def _indent(part: "RenderableType") -> "RenderableType":
    from rich.padding import Padding

    return Padding(part, (0, 0, 0, 2))


def _fold(text: "Text", look: Look) -> "Text":
    """The head and the tail of a long text, with a line between that says how much is not there."""
    from rich.text import Text

    hidden = len(text) - HEAD - TAIL
    if look.full or hidden <= HEAD // 2:
        return text
    line = Text(f"\n[… {hidden:,} characters, shown by --full …]\n", "dim italic")
    return Text.assemble(text[:HEAD], line, text[-TAIL:])


def _cost_parts(calls: Sequence[PaidCall]) -> Iterator["RenderableType"]:
    from rich.table import Table
    from rich.text import Text

    tokens = sum(call.tokens_in + call.tokens_out for call in calls)
    prices = [call.usd for call in calls if call.usd is not None]
    usd = f"{sum(prices):.6f} USD" if prices else "no price"
    number = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
    yield Text.assemble(("Cost", "bold"), f"  {number}, {tokens:,} tokens, {usd}" if calls else "  no call")
    table = Table.grid(padding=(0, 2))
    for call in calls:
        table.add_row(
            Text(call.purpose),
            Text(visible(f"{call.endpoint}, {call.model}, {call.prompt_version}", one_line=True), "dim"),
            Text(call.outcome, "" if call.outcome == "ok" else "yellow"),
            Text(f"{call.tokens_in:,} + {call.tokens_out:,}", justify="right"),
            Text("" if call.usd is None else f"{call.usd:.6f}", justify="right"),
        )
    if calls:
        yield _indent(table)
