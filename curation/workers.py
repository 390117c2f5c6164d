"""Many rows at once, and a clean stop: what is in flight is finished, nothing new is begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from curation.ledger import Ledger
from schemas.errors import CurateError

Item = TypeVar("Item")

HEARTBEAT_SECONDS = 20.0


@asynccontextmanager
async def keep_alive(ledger: Ledger, run: int) -> AsyncIterator[None]:
    """Says every HEARTBEAT_SECONDS that the run is alive, so that no other takes its leases."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            ledger.heartbeat(run)

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
            # The iterator may write to the ledger; it runs here, on the loop, so no two workers take one item.
            item = next(items, None)
            if item is None:
                return
            try:
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
