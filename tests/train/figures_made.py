"""Figures made by hand, for whatever compares or draws them."""

from collections.abc import Sequence
from typing import Any

from schemas.evaluation import Figure


def figure(values: Sequence[float | None], measure: str = "refused", **other: Any) -> Figure:
    """One value a prompt, by prompts p0, p1, …"""
    told: dict[str, Any] = {"suite": "xstest", "group": "hard_benign", "better": "lower", "made_by": "the matcher"}
    return Figure(measure=measure, values={f"p{at}": value for at, value in enumerate(values)}, **(told | other))


def shares(hits: int, n: int, measure: str = "refused", **other: Any) -> Figure:
    """The first `hits` of `n` prompts say yes."""
    return figure([1.0] * hits + [0.0] * (n - hits), measure, **other)
