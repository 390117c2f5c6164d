"""`curate export`: approved revisions become a release folder."""

import json
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from curation.approved import read_approved, read_eligible, read_evidence
from curation.cli.console import shorten, visible
from curation.cli.output import open_console, print_parts
from curation.cli.project import load_settings, open_ledger
from curation.cli.releases import RELEASES, next_name
from curation.ledger import Ledger
from curation.status import snapshot
from curation.structures import load_structure
from schemas.errors import ReleaseError, UsageError
from schemas.hub import hub_address, parse_bare_repo, require_release_name
from schemas.release import Approved, Eligible, Evidence
from schemas.settings import Release
from schemas.structure import Structure

if TYPE_CHECKING:
    from rich.table import Table

    from exports.select import Selection

CACHE = "cache"


@click.command("export")
@click.option("--preset", metavar="NAME", help="A size or share of benign rows to start from: 0.5k, 1k, 3k, benign-20.")
@click.option("--size", type=click.IntRange(2), help="Rows, those of the test split too.")
@click.option(
    "--mix", metavar="harmful=N,benign=N", help="Rows of each label; their shares where --size says how many."
)
@click.option("--structure", help="Another structure than curate.toml's.")
@click.option("--name", help="Of the release.", show_default="v1, or the next free number")
@click.option("--render", metavar="NAME,NAME", help="Also as plain strings for a model family: r1, qwen3.")
@click.option("--allow-fewer", is_flag=True, help="Write what there is where a quota cannot be met.")
@click.option("--allow-unreviewed", is_flag=True, help="Also rows that no person decided on; the card says so first.")
@click.option(
    "--include-harmful-traces", is_flag=True, help="Original traces of harmful rows too; for a gated set only."
)
@click.option(
    "--repo", metavar="ORG/NAME", help="Where it will be pushed to: the card tells how to load it from there."
)
@click.option("--gated", is_flag=True, help="The card asks readers of the Hub to agree to terms first.")
@click.option("--dry-run", is_flag=True, help="Choose and show; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(
    project: Path,
    preset: str | None,
    size: int | None,
    mix: str | None,
    structure: str | None,
    name: str | None,
    render: str | None,
    allow_fewer: bool,
    allow_unreviewed: bool,
    include_harmful_traces: bool,
    repo: str | None,
    gated: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Choose exactly N approved rows and write them as a dataset: Parquet, card, manifest.

    Sizes and shares are those of `[release]` in curate.toml, 1,000 rows by default: 900 harmful and 100 benign, half
    of which only sound harmful. A release is a folder that never changes; the next one gets the next name.

    \b
    Examples:
      curate export --dry-run                       which rows, and which quota lacks how many
      curate export --repo org/name                 releases/v1, its card ready for the Hub
      curate export --preset 0.5k --render r1
      curate export --size 40 --mix harmful=30,benign=10 --allow-unreviewed
    """
    from exports.render import require_families
    from exports.select import preset as preset_rules

    renders = () if render is None else tuple(part.strip() for part in render.split(","))
    require_families(renders)
    if name is not None:
        require_release_name(name)
        if os.path.lexists(project / RELEASES / name):
            raise ReleaseError(f"{project / RELEASES / name}: is there already, and a release never changes")

    settings = load_settings(project)
    rules = settings.release if preset is None else preset_rules(preset, settings.release)
    rules = _with_mix(rules, size, mix)
    if repo is not None:
        repo = parse_bare_repo(repo)
    hub_address(os.environ.get("HF_ENDPOINT"))  # tokenizers come from there
    chosen = load_structure(settings.structure if structure is None else structure, project)
    if chosen.derived and allow_unreviewed:
        raise UsageError(f"structure {chosen.name} is derived: it is published only after a review of its own")
    if chosen.tells_harmful_traces and not include_harmful_traces:
        raise UsageError(
            f"structure {chosen.name}: its harmful rows hold what the original traces thought; that is published with"
            " --include-harmful-traces, to a gated dataset, or not at all"
        )
    with open_ledger(project) as ledger:
        with snapshot(ledger):  # what is published is what was chosen, whoever writes meanwhile
            eligible = read_eligible(ledger, chosen.name, unreviewed=allow_unreviewed)
            if not eligible:
                raise ReleaseError(f"{project}: {_why_nothing(ledger, chosen, allow_unreviewed)}")
            selection = _select(project, eligible, rules)
            if not as_json:
                print_parts(open_console(), [_quota_table(selection, allow_unreviewed), _left_out_table(selection)])
            if selection.lacking and not allow_fewer:
                if as_json:
                    click.echo(json.dumps(_summary(selection, None)))
                for one in selection.lacking:
                    click.echo(f"lacking: {visible(one.text, one_line=True)}", err=True)
                raise ReleaseError(
                    "a quota cannot be met: get more of these rows, or --allow-fewer writes what there is"
                )
            if dry_run:
                if as_json:
                    click.echo(json.dumps(_summary(selection, None)))
                return
            picked = set(selection.chosen)
            rows = read_approved(
                ledger, (one for one in eligible if one.id in picked), pseudonyms=settings.annotators.pseudonyms
            )
            del eligible  # their texts are many times those that were chosen
        evidence = read_evidence(ledger, chosen, settings, rows)
    folder = project / RELEASES / (name or next_name(project))
    _write(folder, rows, rules, evidence, selection, renders, include_harmful_traces, repo, gated)
    if as_json:
        click.echo(json.dumps(_summary(selection, folder)))
        return
    click.echo(f"{len(rows):,} rows: {folder}")
    click.echo(f"card: {folder / 'README.md'}")
    click.echo(f"next: curate verify {folder}, then curate push org/name")


def _why_nothing(ledger: Ledger, structure: Structure, allow_unreviewed: bool) -> str:
    if not ledger.query("SELECT 1 FROM drafts WHERE structure = ? LIMIT 1", (structure.name,)):
        named = f" --structure {structure.name}"
        return f"there are no drafts in {structure.name}; `curate generate{named}` makes them, and people review them"
    if allow_unreviewed:
        return f"no draft in {structure.name} may be released: rules or people stopped them all; see `curate status`"
    mend = "`curate review pull` brings decisions, or --allow-unreviewed takes what no person decided on"
    return f"nothing is approved in {structure.name}; {mend}"


def _with_mix(rules: Release, size: int | None, mix: str | None) -> Release:
    """The rules with `--size` and `--mix`. Raises UsageError where the mix cannot be read."""
    if mix is not None:
        parts = dict(re.findall(r"(harmful|benign)=(\d+)", mix))
        if ",".join(f"{label}={rows}" for label, rows in parts.items()) != mix.replace(" ", "") or len(parts) != 2:
            raise UsageError(f"--mix {mix!r}: write harmful=30,benign=10")
        harmful, benign = int(parts["harmful"]), int(parts["benign"])
        if harmful + benign < 2:
            raise UsageError(f"--mix {mix!r}: that is fewer than two rows")
        share = 100 * harmful / (harmful + benign)
        rules = rules.model_copy(update={"size": harmful + benign, "harmful_percent": share})
    return rules if size is None else rules.model_copy(update={"size": size})


def _select(project: Path, eligible: Sequence[Eligible], rules: Release) -> "Selection":
    from exports.embed import choose_vectors
    from exports.select import select

    def progress(done: int, total: int) -> None:
        if done == total or done % 1000 < 256:
            click.echo(f"prompts compared: {done:,} of {total:,}", err=True)

    return select(eligible, rules, choose_vectors(project / CACHE, progress))


def _write(
    folder: Path,
    rows: Sequence[Approved],
    rules: Release,
    evidence: Evidence,
    selection: "Selection",
    renders: Sequence[str],
    harmful_traces: bool,
    repo: str | None,
    gated: bool,
) -> None:
    from exports.card import CardFacts, write_card
    from exports.dataset import Contents, write_release

    def card(passing: Path, contents: Contents) -> None:
        facts = CardFacts(
            manifest=contents.manifest,
            languages=rules.languages,
            configs={config: tuple(splits) for config, splits in contents.configs.items()},
            chosen=tuple(rows),
            evidence=evidence,
            left_out=selection.reasons,
            repo=repo,
            gated=gated or harmful_traces,
        )
        write_card(passing, facts)

    write_release(
        folder,
        folder.name,
        rows,
        settings=rules,
        compared_by=selection.compared_by,
        tool_version=version("alttrain"),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        renders=renders,
        include_harmful_traces=harmful_traces,
        write_card=card,
    )


def _quota_table(selection: "Selection", allow_unreviewed: bool) -> "Table":
    table = _titled("Quota", "wanted", "drafts" if allow_unreviewed else "approved", "fit", "taken")
    for quota in selection.quotas:
        wanted = "" if quota.wanted is None else f"{quota.wanted:,}"
        table.add_row(
            f"{quota.level} {shorten(quota.name, 80)}", wanted, f"{quota.had:,}", f"{quota.fit:,}", f"{quota.taken:,}"
        )
    return table


def _left_out_table(selection: "Selection") -> "Table":
    table = _titled("Left out", "rows")
    for reason, count in selection.reasons.items():
        table.add_row(reason, f"{count:,}")
    return table


def _titled(title: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # Names give way where the line is short: a number that is cut is another number.
    table.add_column(f"\n{title}", overflow="fold", min_width=10)
    for column in columns:
        table.add_column(f"\n{column}", justify="right", no_wrap=True)
    return table


def _summary(selection: "Selection", folder: Path | None) -> dict[str, object]:
    return {
        "release": None if folder is None else str(folder),
        "rows": len(selection.chosen),
        "quotas": [quota.model_dump(mode="json") for quota in selection.quotas],
        "left_out": selection.reasons,
        "lacking": [one.text for one in selection.lacking],
    }
