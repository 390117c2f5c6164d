"""A limit on money and tokens that holds while many requests are in flight: the worst case of each is held first."""

import asyncio
import math
from typing import NamedTuple

from schemas.errors import BudgetReached, UsageError


class Cost(NamedTuple):
    """USD (0.0 where an endpoint has no prices) and tokens (prompt and completion together)."""

    usd: float
    tokens: int


class Budget:
    """What a run may spend. None: no limit, the spending is only counted.

    Every `hold` is followed by exactly one of `settle` (what it really cost), `release` (certainly not billed)
    or `keep` (no answer came, so nobody knows: the worst case goes on counting against the limits).
    """

    def __init__(self, usd: float | None = None, tokens: int | None = None) -> None:
        if usd is not None and not math.isfinite(usd):
            raise UsageError("a budget is a number of USD, e.g. --budget 2.50")
        self.usd = usd
        self.tokens = tokens
        self.spent_usd = 0.0
        self.spent_tokens = 0
        self._held_usd = 0.0
        self._held_tokens = 0
        self._kept_usd = 0.0
        self._kept_tokens = 0
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def hold(self, worst: Cost) -> Cost:
        """Set `worst` aside, waiting for others to settle where only they are in the way.

        Raises BudgetReached where it would not fit even if everything in flight turned out to be free.
        """
        while not self._fits(worst, self._held_usd, self._held_tokens):
            if not self._in_flight or not self._fits(worst, 0.0, 0):
                raise BudgetReached(self._reached(worst))
            self._changed.clear()
            await self._changed.wait()
        self._in_flight += 1
        self._held_usd += worst.usd
        self._held_tokens += worst.tokens
        return worst

    def settle(self, held: Cost, real: Cost) -> None:
        self.release(held)
        self.spent_usd += real.usd
        self.spent_tokens += real.tokens

    def keep(self, held: Cost) -> None:
        self.release(held)
        self._kept_usd += held.usd
        self._kept_tokens += held.tokens

    def release(self, held: Cost) -> None:
        self._in_flight -= 1
        self._held_usd -= held.usd
        self._held_tokens -= held.tokens
        self._changed.set()

    def _fits(self, worst: Cost, held_usd: float, held_tokens: int) -> bool:
        return (self.usd is None or self.spent_usd + self._kept_usd + held_usd + worst.usd <= self.usd) and (
            self.tokens is None or self.spent_tokens + self._kept_tokens + held_tokens + worst.tokens <= self.tokens
        )

    def _reached(self, worst: Cost) -> str:
        parts = []
        if self.usd is not None:
            unknown = f" (and at most {self._kept_usd:.4f} on requests without an answer)" if self._kept_usd else ""
            parts.append(
                f"spent {self.spent_usd:.4f} of {self.usd:.4f} USD{unknown}, the next call could cost {worst.usd:.4f}"
            )
        if self.tokens is not None:
            unknown = f" (and at most {self._kept_tokens} on requests without an answer)" if self._kept_tokens else ""
            parts.append(
                f"spent {self.spent_tokens} of {self.tokens} tokens{unknown}, the next call could take {worst.tokens}"
            )
        return f"budget reached: {'; '.join(parts)}"
