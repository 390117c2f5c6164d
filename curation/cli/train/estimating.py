"""`curate train … --estimate`: what a run would take on a GPU, reckoned from sizes alone."""

from typing import TYPE_CHECKING, Any

import click

from curation.cli.train.given import Given
from schemas.training import Recipe, Shape

if TYPE_CHECKING:
    from train.estimate import Estimate


def reckon(shape: Shape, recipe: Recipe, gpu: str, gpus: int, sharding: Any, given: Given) -> "Estimate":
    """Memory and time of a run on the release's rows. `gpus`: over all machines. Raises UsageError for a GPU that is
    not known."""
    from train.estimate import estimate
    from train.gpus import find_gpu

    # Four characters a token, as English has them; no tokenizer is loaded.
    lengths = [(len(row.instruction) + len(row.response)) // 4 for row in given.rows]
    return estimate(shape, recipe, find_gpu(gpu), gpus, len(lengths), sum(lengths), max(lengths), sharding)


def show(found: "Estimate", *, as_json: bool) -> None:
    """Part by part with its arithmetic, or as JSON, on standard output."""
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    for part in found.memory:
        click.echo(f"{part.name:<34} {part.gb:>8.2f} GB   {part.how}")
    click.echo(f"{'in all, on one GPU':<34} {found.total_gb:>8.2f} GB   of {found.has_gb:.0f} ({found.gpu})")
    if found.problem:
        click.echo(f"it cannot run there: {found.problem}")
    for mend in found.mends:
        click.echo(f"it would fit with: {mend}")
    low, high = found.seconds_low / 60, found.seconds_high / 60
    click.echo(f"{found.steps:,} optimizer steps, {low:,.0f} to {high:,.0f} min; reckoned, not measured")
