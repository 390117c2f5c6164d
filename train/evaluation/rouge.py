"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as F1, on lower-cased words, unstemmed.

rouge("the cat sat", "the cat sat down")      {"rouge1": 0.857…, "rouge2": 0.8, "rougeL": 0.857…}
"""

import re
from collections import Counter
from collections.abc import Sequence


def rouge(said: str, reference: str) -> dict[str, float]:
    """Of two texts, each 0 to 1. Sentences are not split: ROUGE-L is over the whole text."""
    one, other = _words(said), _words(reference)
    return {
        "rouge1": _f1(_shared(one, other, 1), len(one), len(other)),
        "rouge2": _f1(_shared(one, other, 2), len(one) - 1, len(other) - 1),
        "rougeL": _f1(_longest(one, other), len(one), len(other)),
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _shared(one: Sequence[str], other: Sequence[str], length: int) -> int:
    def grams(words: Sequence[str]) -> Counter[tuple[str, ...]]:
        return Counter(zip(*(words[start:] for start in range(length)), strict=False))

    return (grams(one) & grams(other)).total()


def _longest(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for place, its in enumerate(other, 1):
            before, row[place] = row[place], before + 1 if word == its else max(row[place], row[place - 1])
    return row[-1]


def _f1(shared: int, said: int, reference: int) -> float:
    return 2 * shared / (said + reference) if shared else 0.0
