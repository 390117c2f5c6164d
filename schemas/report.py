"""Numbers for people: a share with how sure it is."""

from math import sqrt
from typing import Self

from pydantic import Field

from schemas.example import Frozen

NORMAL_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: 95 % lie within so many standard deviations."""


class Rate(Frozen):
    """How often something was so, with its 95 % Wilson score interval."""

    value: float = Field(ge=0, le=1, description="a share; 0 where n is 0, and then the interval says nothing: 0 to 1")
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    n: int = Field(ge=0, description="of how many")

    @classmethod
    def of(cls, hits: int, n: int) -> Self:
        """`hits` of `n`. Wilson (1927): unlike value +- 1.96 errors, it holds for few rows and near 0 and 1."""
        if not 0 <= hits <= n:
            raise ValueError(f"{hits} of {n} is no share")
        if n == 0:
            return cls(value=0.0, low=0.0, high=1.0, n=0)
        share, square = hits / n, NORMAL_95**2
        middle = (share + square / (2 * n)) / (1 + square / n)
        half = NORMAL_95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n**2))
        # At the ends the bound is 0 or 1 exactly; floating point would leave 1e-17 of it.
        low = 0.0 if hits == 0 else middle - half
        high = 1.0 if hits == n else middle + half
        return cls(value=share, low=low, high=high, n=n)

    def __str__(self) -> str:
        """e.g. '12 % (5-25) of 40'; '-' where nothing was observed."""
        if not self.n:
            return "-"
        return f"{self.value:.0%} ({self.low * 100:.0f}-{self.high * 100:.0f}) of {self.n}".replace("%", " %", 1)
