"""Opens the endpoints that a command names; starts the embedded model where it is one of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import click

from curation.budget import Budget
from curation.model import Models
from schemas.errors import UsageError
from schemas.settings import EMBEDDED, Settings

WEAK_WORDING = (
    "embedded model: SmolLM2-135M shows the flow; its wording is weak and is no data to train on.\n"
    '                to use a real model, add it to curate.toml as [endpoints.NAME] and set endpoint = "NAME"'
)


@asynccontextmanager
async def open_models(
    settings: Settings, names: Sequence[str], *, budget: Budget | None = None, fallback: str | None = None
) -> AsyncIterator[Models]:
    """The named endpoints, ready to be asked, closed again at the end.

    Raises UsageError for a name that curate.toml does not define, and what `Models` and `embedded` raise.
    """
    endpoints = dict(settings.endpoints)
    used = [*names, *([fallback] if fallback else [])]
    for name in used:
        if name != EMBEDDED and name not in endpoints:
            known = ", ".join([EMBEDDED, *endpoints])
            raise UsageError(f"no endpoint {name!r} in curate.toml (there are: {known})")
    with ExitStack() as stack:
        if EMBEDDED in used:
            from curation.embedded import fetch, serve

            if settings.embedded is None:
                click.echo(WEAK_WORDING, err=True)
            endpoints[EMBEDDED] = stack.enter_context(serve(fetch(settings.embedded)))
        async with Models(
            endpoints, names, fallback=fallback, budget=budget, refusals_in_a_row=settings.refusals_in_a_row
        ) as models:
            yield models
