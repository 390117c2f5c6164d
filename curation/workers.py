"""Many rows at once, and a clean stop: what is in flight is finished, nothing new is begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from curation.leases import heartbeat
from curation.ledger import Ledger
from schemas.errors import CurateError, LedgerError

Item = TypeVar("Item")

HEARTBEAT_SECONDS = 20.0


@asynccontextmanager
async def keep_alive(ledger: Ledger, run: int) -> AsyncIterator[None]:
    """Says every HEARTBEAT_SECONDS that the run is alive, so that no other takes its leases."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # A ledger that is locked for once must not end the heartbeat; what is broken shows at the next row.
            with suppress(LedgerError):
                heartbeat(ledger, run)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()


async def run_workers(
    items: Iterator[Item], handle: Callable[[Item], Awaitable[None]], workers: int, stop: asyncio.Event
) -> None:
    """Hands every item to `handle`, at most `workers` at a time, until there are none left or `stop` is set.

    A CurateError in one worker stops the others after the row they are at, then it is raised: what was paid for is
    kept. Any other exception is a bug: it cancels all and is raised at once.
    """
    errors: list[CurateError] = []

    async def work() -> None:
        while not stop.is_set():
            try:
                # The iterator may write to the ledger; it runs here, on the loop, so no two workers take one item.
                item = next(items, None)
                if item is None:
                    return
                await handle(item)
            except CurateError as error:
                errors.append(error)
                stop.set()

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        raise errors[0]
