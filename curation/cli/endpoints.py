"""Opens the endpoints that a command names; starts the embedded model where it is one of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import click

from curation.budget import Budget
from curation.model import Models
from schemas.errors import UsageError
from schemas.settings import EMBEDDED, Endpoint, Settings

WEAK_WORDING = (
    "embedded model: SmolLM2-135M shows the flow; its wording is weak and is no data to train on.\n"
    '                to use a real model, add it to curate.toml as [endpoints.NAME] and set endpoint = "NAME"'
)


def require_endpoints(
    settings: Settings, names: Sequence[str], *, budget: Budget | None = None, fallback: str | None = None
) -> dict[str, Endpoint]:
    """The settings of every endpoint that a run names; the embedded one, which has none yet, is left out.

    Raises UsageError, before anything is fetched, started or paid: a name that curate.toml does not define, the
    embedded model beside another (its prompts are its own), a budget in USD where an endpoint has no prices.
    """
    used = list(dict.fromkeys([*names, *([fallback] if fallback else [])]))
    for name in used:
        if name != EMBEDDED and name not in settings.endpoints:
            known = ", ".join([EMBEDDED, *settings.endpoints])
            raise UsageError(f"no endpoint {name!r} in curate.toml (there are: {known})")
        if budget and budget.usd is not None and not (name in settings.endpoints and settings.endpoints[name].priced):
            mend = "it costs nothing: leave --budget out" if name == EMBEDDED else "set price_input and price_output"
            raise UsageError(f"a budget in USD needs prices, and endpoint {name!r} has none: {mend}")
    if EMBEDDED in used and len(used) > 1:
        raise UsageError("the embedded model takes prompts of its own: it cannot share a run or stand in for another")
    return {name: settings.endpoints[name] for name in used if name != EMBEDDED}


def is_small(settings: Settings, names: Sequence[str]) -> bool:
    """Whether the run's model needs examples in its prompt: the default embedded one does, another one does not."""
    return EMBEDDED in names and settings.embedded is None


@asynccontextmanager
async def open_models(
    settings: Settings, names: Sequence[str], *, budget: Budget | None = None, fallback: str | None = None
) -> AsyncIterator[Models]:
    """The named endpoints, ready to be asked, closed again at the end.

    Raises what `require_endpoints`, `Models` and `embedded` raise.
    """
    fallback = None if fallback in names else fallback
    endpoints = require_endpoints(settings, names, budget=budget, fallback=fallback)
    with ExitStack() as stack:
        if EMBEDDED in names:
            from curation.embedded import fetch, serve

            if is_small(settings, names):
                click.echo(WEAK_WORDING, err=True)
            endpoints[EMBEDDED] = stack.enter_context(serve(fetch(settings.embedded)))
        async with Models(
            endpoints, names, fallback=fallback, budget=budget, refusals_in_a_row=settings.refusals_in_a_row
        ) as models:
            yield models
