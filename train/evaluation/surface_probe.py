"""What the words of prompts give away by themselves: logistic regression on TF-IDF of words and pairs of words.

    probe = train_probe([("How do I leave without paying?", "harmful"), …])
    probe.lean("How do I tip without cash?")          0.71

Of our own, on numpy alone: scikit-learn would bring 45 MB with scipy for these lines. Its defaults are kept, so that a
reader can do it again: lower case, words of two letters or more, idf = 1 + ln((1 + n) / (1 + df)), rows of length 1,
half the squared weights against the summed loss (C = 1). Both labels weigh alike: a release has far more harmful rows.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from schemas.boundary import Lean
from schemas.errors import TrainError
from schemas.evaluation import Asked
from schemas.example import Branch
from schemas.structure import BRANCHES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\b\w\w+\b")

MOST_STEPS = 50
TOLERANCE = 1e-8
"""Of the gradient's length, by that of the first one. Newton's method gets there in some ten steps."""


class Probe(NamedTuple):
    """Trained weights by word and pair of words, each times its idf."""

    idf: Mapping[str, float]
    weights: Mapping[str, float]
    bias: float
    rows: int

    def lean(self, prompt: str) -> float:
        """Log-odds of harmful. Words that were never seen count for nothing."""
        return self.bias + sum(share * self.weights[term] for term, share in _vector(prompt, self.idf).items())


def train_probe(prompts: Sequence[tuple[str, Branch]]) -> Probe:
    """A probe of these prompts, the same each time. Raises TrainError where prompts of one label are missing."""
    labels = Counter(label for _, label in prompts)
    if missing := [branch for branch in BRANCHES if not labels[branch]]:
        raise TrainError(
            f"the probe of surface words: {len(prompts):,} prompts to train on, none of them {' or '.join(missing)}"
        )
    counts = Counter(term for prompt, _ in prompts for term in set(_terms(prompt)))
    idf = {term: 1 + log((1 + len(prompts)) / (1 + count)) for term, count in counts.items()}
    places = {term: place for place, term in enumerate(idf)}
    rows = [[(places[term], share) for term, share in _vector(prompt, idf).items()] for prompt, _ in prompts]
    signs = [1.0 if label == "harmful" else -1.0 for _, label in prompts]
    weight = [len(prompts) / 2 / labels[label] for _, label in prompts]
    *found, bias = _fit(rows, signs, weight, len(idf))
    return Probe(idf, dict(zip(idf, found, strict=True)), bias, len(prompts))


def probe_leans(probe: Probe, prompts: Sequence[Asked]) -> tuple[Lean, ...]:
    """How far each prompt leans by its words alone; one without a label counts as benign."""
    return tuple(
        Lean(
            id=one.id,
            label=one.label or "benign",
            kind=one.kind,
            category=one.category,
            lean=probe.lean(one.prompt),
        )
        for one in prompts
    )


def _terms(prompt: str) -> list[str]:
    words = _WORD.findall(prompt.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def _vector(prompt: str, idf: Mapping[str, float]) -> dict[str, float]:
    values = {term: count * idf[term] for term, count in Counter(_terms(prompt)).items() if term in idf}
    length = sqrt(sum(value**2 for value in values.values())) or 1.0
    return {term: value / length for term, value in values.items()}


def _fit(
    rows: Sequence[Sequence[tuple[int, float]]], signs: Sequence[float], weights: Sequence[float], features: int
) -> list[float]:
    """The features' weights and last the bias, which is not held small: Newton's method, its steps by conjugate
    gradients, halved while they do not lower the loss."""
    import numpy as np

    row = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    column = np.array([place for one in rows for place, _ in one], dtype=np.intp)
    value = np.array([share for one in rows for _, share in one])
    sign, weight = np.array(signs), np.array(weights)
    held = np.ones(features + 1)
    held[-1] = 0

    def scores(by: "NDArray[np.float64]") -> "NDArray[np.float64]":
        found: NDArray[np.float64] = np.bincount(row, value * by[column], minlength=len(rows)) + by[-1]
        return found

    def back(by: "NDArray[np.float64]") -> "NDArray[np.float64]":
        return np.append(np.bincount(column, value * by[row], minlength=features), by.sum())

    def loss(at: "NDArray[np.float64]") -> float:
        return float(weight @ np.logaddexp(0, -sign * scores(at)) + (held * at) @ at / 2)

    at = np.zeros(features + 1)
    first = 0.0
    for _ in range(MOST_STEPS):
        doubt = 1 / (1 + np.exp(np.clip(sign * scores(at), -500, 500)))
        gradient = held * at - back(weight * sign * doubt)
        first = first or float(np.linalg.norm(gradient))
        if np.linalg.norm(gradient) <= TOLERANCE * first:
            break
        curve = weight * doubt * (1 - doubt)
        step, left, way = np.zeros_like(at), -gradient, -gradient
        for _ in range(len(rows)):
            bent = held * way + back(curve * scores(way))
            reach = (left @ left) / (way @ bent)
            step = step + reach * way
            rest = left - reach * bent
            if np.linalg.norm(rest) <= 1e-3 * np.linalg.norm(gradient):
                break
            left, way = rest, rest + (rest @ rest) / (left @ left) * way
        size, before = 1.0, loss(at)
        while loss(at + size * step) > before and size > 1e-6:
            size /= 2
        at = at + size * step
    return [float(one) for one in at]
