"""How fast endpoints are asked: as fast as they take it, and no faster than they said.

    requests in flight

    concurrency      .-------.                             .-----
                    / double  \\ many are refused          /
    what it holds  / a trip    `--./-./-./-./-./-./-./----'  well above it, none refused: double again
    START      ---'                one more now and then, one back at a refusal

One refusal (429, overloaded, no answer in time) is no sign of saturation: some servers refuse a share of requests
at random. Many among the latest are. While that lasts, each refused request closes the slot it held, so what stays
open is what the server really holds.
"""

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

START = 64
"""Requests in flight at first; more than that have to be earned."""

WINDOW = 32
SATURATED = 12
"""So many refusals among the latest WINDOW are saturation. Where 10 % are refused at random it has chance 3e-5."""


class Allowance:
    """A per-minute allowance that refills evenly and saves up at most one second's worth (or one request)."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float]) -> None:
        self._rate = None if per_minute is None else per_minute / 60
        self._most = max(1.0, self._rate or 0.0)
        self._level = self._most
        self._clock = clock
        self._stamp = clock()

    def wait(self, amount: int) -> float:
        """Seconds until `amount` may be taken."""
        if self._rate is None:
            return 0.0
        now = self._clock()
        self._level = min(self._most, self._level + (now - self._stamp) * self._rate)
        self._stamp = now
        # An amount larger than all that can be saved up is taken from a full store and owed.
        return max(0.0, min(amount, self._most) - self._level) / self._rate

    def take(self, amount: int) -> None:
        self._level -= amount


class Pace:
    """How many requests one endpoint is sent at once, learned from what it does with them. Knows no asyncio."""

    def __init__(
        self,
        most: int,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = 0
        self.limit = float(min(most, START))
        self._most = self._ceiling = float(most)
        self._latest: deque[bool] = deque(maxlen=WINDOW)
        self._requests = Allowance(requests_per_minute, clock)
        self._tokens = Allowance(tokens_per_minute, clock)
        self._clock = clock
        self._closed_until = 0.0

    @property
    def free(self) -> int:
        return int(self.limit) - self.in_flight

    def wait(self, tokens: int) -> float:
        """Seconds until a request of `tokens` may be sent; infinite where one in flight must end first."""
        if self.free <= 0:
            return float("inf")
        pause = self._closed_until - self._clock()
        return max(0.0, pause, self._requests.wait(1), self._tokens.wait(tokens))

    def start(self, tokens: int) -> None:
        self.in_flight += 1
        self._requests.take(1)
        self._tokens.take(tokens)

    def end(self) -> None:
        """A request is over and says nothing about the load: an error of its own, or cancelled."""
        self.in_flight -= 1

    def succeed(self) -> None:
        """A request was served: there may be room for more."""
        busy = 2 * self.in_flight >= self.limit
        self.in_flight -= 1
        self._latest.append(False)
        if not busy:
            return
        self.limit = min(
            self._most, self.limit + (1.0 if self.limit < self._ceiling else 1.0 / max(self.limit, WINDOW))
        )
        if self.limit > 1.1 * self._ceiling + 1:
            self._ceiling = self._most

    def refuse(self, seconds: float) -> None:
        """A request was turned away, to be sent again in `seconds`."""
        self.in_flight -= 1
        self._latest.append(True)
        if sum(self._latest) >= SATURATED:
            self.limit = self._ceiling = float(max(1, min(self.in_flight, int(self.limit))))
        elif self.limit > self._ceiling:
            self.limit = self._ceiling
        if self.in_flight == 0:
            # Nothing is being served, so it is the rate that was too high, not the number at once.
            self._closed_until = max(self._closed_until, self._clock() + seconds)


class _Waiter(NamedTuple):
    ticket: int
    arrival: int
    tokens: int
    granted: asyncio.Future[Pace]


class Gate:
    """Where requests wait for a slot at any of several endpoints. The oldest row goes first: retries do not trail."""

    def __init__(self, paces: Sequence[Pace]) -> None:
        self._paces = paces
        self._waiting: list[_Waiter] = []
        self._arrivals = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, ticket: int, tokens: int) -> Pace:
        """Wait for a slot; the pace it is at, which has the most free ones. Each enter needs one `leave`.

        `ticket` orders those who wait (the smallest first); `tokens` counts against tokens_per_minute.
        """
        granted: asyncio.Future[Pace] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, _Waiter(ticket, next(self._arrivals), tokens, granted))
        self._admit()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.leave(granted.result().end)
            raise

    def leave(self, ended: Callable[[], None]) -> None:
        """Give a slot back, as one of Pace's `succeed`, `refuse` or `end`, and let the next ones in."""
        ended()
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if not first.granted.done():
                # A slot is handed over here, not when its new owner wakes up: `in_flight` is exact at any time.
                waits = [pace.wait(first.tokens) for pace in self._paces]
                if wait := min(waits):
                    return self._admit_in(wait)
                open_ones = (pace for pace, wait in zip(self._paces, waits, strict=True) if not wait)
                pace = max(open_ones, key=lambda pace: pace.free)
                pace.start(first.tokens)
                first.granted.set_result(pace)
            heapq.heappop(self._waiting)

    def _admit_in(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if seconds != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(seconds, self._admit)
