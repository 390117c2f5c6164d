"""`curate status`: the funnel from prompts to drafts, and what it cost."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.cli.console import shorten, visible
from curation.cli.output import open_console, print_csv, print_json, print_parts, require_one_form
from curation.cli.project import load_settings, open_ledger
from curation.status import count, started_structures
from schemas.report import Funnel, StructureCounts

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

CSV_HEADER = ("structure", "group", "name", "value")


@click.command("status")
@click.option("--structure", metavar="NAME", help="Only this structure.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, seeds by source and category too.")
@click.option("--csv", "as_csv", is_flag=True, help="The same as CSV: structure, group, name, value.")
@click.pass_obj
def command(project: Path, structure: str | None, as_json: bool, as_csv: bool) -> None:
    """Show where every row is and what the replies cost. The counts add up:

    \b
      seeds  = harmful + benign + unsure + none
      traces = drafts + failures + waiting      for each structure
      drafts = passing + flagged + blocked

    \b
    Examples:
      curate status
      curate status --structure no_ha
      curate status --json | jq '.structures[].waiting'
      curate status --csv > status.csv
    """
    require_one_form(as_json, as_csv)
    default = Path(load_settings(project).structure).stem  # a structure and its file have one name
    with open_ledger(project) as ledger:
        # The project's own comes first, and is shown before anything is made in it.
        known = tuple(dict.fromkeys((default, *started_structures(ledger))))
        if structure is not None and structure not in known:
            structure = _load_name(structure, project)
        funnel = count(ledger, (structure,) if structure else known)
    if as_json:
        print_json(funnel)
    elif as_csv:
        print_csv(CSV_HEADER, _rows(funnel))
    else:
        print_parts(open_console(), _parts(funnel, _next(funnel, default)))


def _load_name(structure: str, project: Path) -> str:
    """The name of a structure that nothing was made in yet. Raises StructureError: there is none, with the nearest."""
    from curation.structures import load_structure

    return load_structure(structure, project).name


def _rows(funnel: Funnel) -> Iterator[tuple[str, str, str, int | float]]:
    seeds, traces = funnel.seeds, funnel.traces
    yield ("", "seeds", "total", seeds.total)
    for group, counts in (("label", seeds.by_label), ("source", seeds.by_source), ("category", seeds.by_category)):
        yield from (("", f"seeds by {group}", name, number) for name, number in counts.items())
    yield ("", "seeds", "families", seeds.families)
    yield ("", "seeds", "without_family", seeds.without_family)
    for name, number in traces.model_dump().items():
        yield ("", "traces", name, number)
    for task, number in funnel.other_failures.items():
        yield ("", "failures", task, number)
    for structure in funnel.structures:
        for name in ("traces", "drafts", "failures", "waiting", "in_flight"):
            yield (structure.structure, "traces", name, getattr(structure, name))
        for name in ("passing", "flagged", "blocked"):
            yield (structure.structure, "drafts", name, getattr(structure, name))
        yield from ((structure.structure, "drafts", name, number) for name, number in structure.by_branch.items())
        for rule in structure.rules:
            yield (structure.structure, "blocking rules" if rule.blocking else "flags", rule.rule, rule.drafts)
        yield from ((structure.structure, "failures", kind, number) for kind, number in structure.failure_kinds.items())
    for spent in funnel.spending:
        for name in ("calls", "requests", "tokens_in", "tokens_out", "usd", "unpriced"):
            yield ("", f"spent at {spent.endpoint} on {spent.model}", name, getattr(spent, name))


def _parts(funnel: Funnel, advice: str) -> Iterator["RenderableType"]:
    from rich.text import Text

    yield _funnel_table(funnel)
    for structure in funnel.structures:
        if structure.rules:
            yield _rules_table(structure)
        if structure.failures:
            yield _failures_table(structure)
    if funnel.spending:
        yield _spending_table(funnel)
    yield Text.assemble(("\nNext: ", "bold"), advice)


def _funnel_table(funnel: Funnel) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column()

    def add(name: str, number: int, *, of: int | None = None, depth: int = 0, style: str = "", note: str = "") -> None:
        share = f"{number / of:.0%}" if of else ""
        table.add_row(
            Text("  " * depth + shorten(name, 30), style=style or ("bold" if depth == 0 else "")),
            Text(f"{number:,}", style=style if number else "dim"),
            share,
            Text(note, style="dim"),
        )

    seeds, traces = funnel.seeds, funnel.traces
    add("Seeds", seeds.total)
    notes = {"unsure": "unsure by a person", "none": "no label yet"}
    for label, number in seeds.by_label.items():
        if label != "unsure" or number:
            add(label, number, of=seeds.total, depth=1, note=notes.get(label, "") if number else "")
    if seeds.families:
        add("families", seeds.families, depth=1, note="of prompts that are nearly the same")
    if seeds.without_family:
        add("no family", seeds.without_family, depth=1, note="named when an add gets to its end")
    if failed := funnel.other_failures["add"]:
        add("not added", failed, depth=1, style="red", note="curate failures --task add")
    table.add_row()
    add("Traces", traces.total, note=f"of {traces.seeds_with:,} seeds, {traces.seeds_without:,} have none")
    if traces.source_complied:
        note = "answer what the dataset calls harmful"
        add("source_complied", traces.source_complied, of=traces.total, depth=1, note=note)
    if failed := funnel.other_failures["trace"]:
        add("not traced", failed, depth=1, style="red", note="curate failures --task trace")
    for structure in funnel.structures:
        table.add_row()
        add(structure.structure, structure.traces, note="traces")
        branches = ", ".join(f"{number:,} {branch}" for branch, number in structure.by_branch.items())
        add("drafts", structure.drafts, of=structure.traces, depth=1, note=branches if structure.drafts else "")
        for name, style in (("passing", "green"), ("flagged", "yellow"), ("blocked", "red")):
            add(name, getattr(structure, name), of=structure.drafts, depth=2, style=style)
        add("failures", structure.failures, of=structure.traces, depth=1, style="red")
        in_flight = f"{structure.in_flight:,} in flight" if structure.in_flight else ""
        add("waiting", structure.waiting, of=structure.traces, depth=1, note=in_flight)
    return table


def _rules_table(structure: StructureCounts) -> "Table":
    from rich.text import Text

    table = _titled(f"{structure.structure}: rules that fired", "drafts", "of drafts")
    for rule in structure.rules:
        table.add_row(
            Text(shorten(rule.rule, 40)),
            Text("blocks", style="red") if rule.blocking else Text("flag", style="yellow"),
            f"{rule.drafts:,}",
            f"{rule.drafts / structure.drafts:.1%}",
        )
    return table


def _failures_table(structure: StructureCounts) -> "Table":
    from rich.text import Text

    table = _titled(f"{structure.structure}: failures", "traces", "of traces")
    for kind, number in structure.failure_kinds.items():
        table.add_row(Text(shorten(kind, 40)), "", f"{number:,}", f"{number / structure.traces:.1%}")
    return table


def _titled(title: str, number: str, share: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(Text("\n" + shorten(title, 60)), no_wrap=True, min_width=30)
    table.add_column("", no_wrap=True, min_width=6)
    table.add_column(f"\n{number}", justify="right", no_wrap=True, min_width=7)
    table.add_column(f"\n{share}", justify="right", no_wrap=True, style="dim")
    return table


def _spending_table(funnel: Funnel) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # Names give way where the line is short: a number that is cut is another number.
    table.add_column("\nSpent at", overflow="fold")
    table.add_column("\non model", overflow="fold")
    for name in ("calls", "tokens in", "tokens out", "USD"):
        table.add_column(f"\n{name}", justify="right", no_wrap=True)
    for spent in funnel.spending:
        table.add_row(
            Text(visible(spent.endpoint, one_line=True)),
            Text(visible(spent.model, one_line=True)),
            f"{spent.calls:,}",
            f"{spent.tokens_in:,}",
            f"{spent.tokens_out:,}",
            _usd(spent.usd, spent.calls - spent.unpriced, spent.calls),
        )
    if len(funnel.spending) > 1:
        calls = sum(spent.calls for spent in funnel.spending)
        priced = calls - sum(spent.unpriced for spent in funnel.spending)
        table.add_row(
            "total",
            "",
            f"{calls:,}",
            f"{sum(spent.tokens_in for spent in funnel.spending):,}",
            f"{sum(spent.tokens_out for spent in funnel.spending):,}",
            _usd(sum(spent.usd for spent in funnel.spending), priced, calls),
            style="bold",
        )
    return table


def _usd(usd: float, priced: int, calls: int) -> str:
    if not priced:
        return "no price"
    return f"{'' if priced == calls else '≥ '}{usd:,.4f}"


def _next(funnel: Funnel, default: str) -> str:
    """The command that brings this project one step further."""
    if not funnel.seeds.total:
        return "curate add packaged, or files and datasets of your own"
    if not funnel.traces.total:
        return "curate trace (these seeds have no reasoning traces yet)"
    for structure in funnel.structures:
        option = "" if structure.structure == default else f" --structure {structure.structure}"
        if structure.in_flight:
            return f"a run is at work on {structure.structure}; look again later"
        if structure.waiting and (structure.drafts or structure.structure == default):
            return f"curate generate{option}"
    for structure in funnel.structures:
        option = "" if structure.structure == default else f" --structure {structure.structure}"
        if structure.failures:
            return f"curate failures --task {structure.structure}, then curate generate{option} --retry-failed"
    if any(structure.blocked for structure in funnel.structures):
        return "curate failures --blocked, to see what the checks stopped"
    return "curate show, to read the drafts; curate review serve, to have people review them"
