"""A line that says how far a run is: live on a terminal, now and then a plain line elsewhere."""

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import click

from curation.cli.console import shorten

PLAIN_SECONDS = 10.0
LIVE_SECONDS = 0.2


async def watch(describe: Callable[[float], str], work: Awaitable[None]) -> None:
    """Awaits `work`, showing `describe(seconds so far)` meanwhile and once more at the end."""
    live = sys.stderr.isatty()
    began = time.monotonic()

    def show(last: bool = False) -> None:
        line = describe(time.monotonic() - began)
        if live:
            click.echo("\r\x1b[2K" + line, err=True, nl=last)
        else:
            click.echo(line, err=True)

    async def tick() -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS if live else PLAIN_SECONDS)
            show()

    ticking = asyncio.create_task(tick())
    try:
        await work
    finally:
        ticking.cancel()
        show(last=True)


def counted(name: str) -> Callable[[str, int, int], None]:
    """Tells on standard error how far `name` is; called with what is counted, how many are done, and how many of them
    there are."""
    live = sys.stderr.isatty()
    told = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        last = done == total
        if not last and now - told < (LIVE_SECONDS if live else PLAIN_SECONDS):
            return
        told = now
        line = shorten(f"{name}: {what} {done:,} of {total:,}", 78)
        click.echo(("\r\x1b[2K" if live else "") + line, err=True, nl=last or not live)

    return tell


@contextmanager
def stop_on_interrupt(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) sets `stop`: what is in flight is kept. The second one cancels the run."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupted() -> None:
        if stop.is_set():
            task.cancel()
            return
        stop.set()
        click.echo("\nstopping: waiting for the rows in flight (Ctrl-C again quits at once)", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def fit(line: str) -> str:
    """The line, cut to the terminal's width: a live line that wraps cannot be overwritten."""
    return line[: shutil.get_terminal_size((200, 24)).columns - 1] if sys.stderr.isatty() else line


def duration(seconds: float) -> str:
    """e.g. '42 s', '3 min 05 s', '2 h 10 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
