"""Prompts that are nearly the same: which belong to one family, which are duplicates.

    families(["How do I bake bread?", "how do I bake  bread", "Name three rivers."])   [0, 0, 2]

Two prompts are compared by their words and word pairs, as sets: the share that both have of all that either has
(Jaccard). Numbers count as one word, so "3 pens for 2 euros" and "5 pens for 9 euros" are one family; duplicates must
have the same numbers too. What this does not see: a paraphrase in other words, and a change of one word that turns
the meaning round (a prompt and its harmful twin are often one family, and belong on the same side of a split).

What is put together is exactly that near; a few that are near are missed. Candidates come from MinHash signatures of
60 values (`rensa`; the same in every run): two prompts of similarity s agree in a value with probability s, so in all
r values of at least one of b bands with 1 - (1 - s^r)^b. That is 1 - (1 - 0.6^3)^20 = 99.2 % at the threshold of
families, 1 - (1 - 0.95^10)^6 = 99.6 % at that of duplicates, and more above. Less only among thousands of prompts of
one template that is half of their text: they crowd the same bands, and each is compared with a few of them. Near by
chance, of 20,000 that have 5 free words in 20, half of those that have a near one stay alone.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from schemas.example import identify

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAMILY_SIMILARITY = 0.6
"""One word in the middle of seven may differ. Of XSTest's 450 prompts, made in pairs that share words, this makes 415
families of one or two; at 0.5 chains begin (351, the largest of 12), at 0.7 short prompts get away with one word."""

DUPLICATE_SIMILARITY = 0.95
"""The same text but for case, punctuation, spacing and about one word in sixty. At 0.9 two puzzles that differ in one
clause, and so in their answer, already count as one."""

_SIGNATURE = 60
_SEED = 0
_NEIGHBOURS = 2
"""With how many of the prompts next to it that agree in a band each is compared. All with all would be 5e9 comparisons
for 100,000 prompts of one template. Where all of 5,000 such are one family, 2 leave 46 alone, 4 leave 26."""

_BLOCK = 100
"""Prompts whose shingles are in memory as text at once."""

# fmt: off
_NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "thousand": 1000, "million": 1_000_000,
}
# fmt: on
"""English only, and without "one", which is a pronoun more often than a number."""

# Scripts that put no spaces between words (Thai to Khmer, kana, Han) are taken character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[^\W\d_{_UNSPACED}]+|\d+(?:[.,]\d+)*|[{_UNSPACED}]")


def families(prompts: Sequence[str]) -> list[int]:
    """For each prompt the index of the first prompt of its family; near-duplicates of near-duplicates are included.

    Prompts that differ only in numbers are one family: both must stay on one side of a train/test split.
    """
    return _cluster(prompts, FAMILY_SIMILARITY, bands=20, same_numbers=False)


def duplicates(prompts: Sequence[str]) -> list[int]:
    """For each prompt the index of the first that says the same with the same numbers: its own index, if none does."""
    return _cluster(prompts, DUPLICATE_SIMILARITY, bands=6, same_numbers=True)


def name_families(seeds: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """(seed id, family) for every seed that has no family yet, out of (seed id, prompt, family or '').

    A newcomer joins the family that its near-duplicates have already; a new family is named after its first seed.
    """
    if all(family for _, _, family in seeds):
        return
    firsts = families([prompt for _, prompt, _ in seeds])
    named: dict[int, str] = {}
    for first, (_, _, family) in zip(firsts, seeds, strict=True):
        if family:
            named.setdefault(first, family)
    for first, (seed, _, family) in zip(firsts, seeds, strict=True):
        if not family:
            yield seed, named.setdefault(first, identify("f", seed))


def _cluster(prompts: Sequence[str], similarity: float, *, bands: int, same_numbers: bool) -> list[int]:
    texts = {text: place for place, text in enumerate(dict.fromkeys(prompts))}
    hashes, starts, signatures = _sign(list(texts), same_numbers=same_numbers)
    parents = list(range(len(texts)))

    def root(text: int) -> int:
        while (parent := parents[text]) != text:
            parents[text] = text = parents[parent]
        return text

    for band in range(bands):
        roots = [root(text) for text in range(len(texts))]
        for one, two in _candidates(signatures, roots, band, bands, similarity):
            first, second = root(one), root(two)
            if first != second:
                ours = set(hashes[starts[one] : starts[one + 1]])
                theirs = hashes[starts[two] : starts[two + 1]]
                shared = len(ours.intersection(theirs))
                if shared >= similarity * (len(ours) + len(theirs) - shared):
                    parents[second] = first
    firsts: dict[int, int] = {}
    return [firsts.setdefault(root(texts[prompt]), place) for place, prompt in enumerate(prompts)]


def _candidates(
    signatures: "NDArray[np.uint32]", roots: list[int], band: int, bands: int, similarity: float
) -> Iterator[tuple[int, int]]:
    """Pairs of different roots that agree in one band, and overall as often as prompts that similar nearly always do.

    Sorted by the next band too: in a large bucket, that makes neighbours of prompts that are near.
    """
    import numpy as np

    rows = _SIGNATURE // bands
    columns = signatures.take(range(band * rows, (band + 2) * rows), axis=1, mode="wrap")
    order = np.lexsort(columns.T[::-1])
    columns, clusters = columns[order, :rows], np.array(roots)[order]
    deviation = (similarity * (1 - similarity) / _SIGNATURE) ** 0.5
    for step in range(1, _NEIGHBOURS + 1):
        places = np.flatnonzero((columns[:-step] == columns[step:]).all(axis=1) & (clusters[:-step] != clusters[step:]))
        one, two = order[places], order[places + step]
        near = (signatures[one] == signatures[two]).mean(axis=1) >= similarity - 3 * deviation
        yield from zip(one[near].tolist(), two[near].tolist(), strict=True)


def _shingle(prompt: str, *, same_numbers: bool) -> set[str]:
    """Words and word pairs. With `same_numbers` each carries all numbers: prompts with others then share nothing."""
    words = _WORD.findall(unicodedata.normalize("NFKC", prompt).casefold())
    if not words:
        return {ascii(prompt.strip())}  # nothing but signs or emoji: the prompt is its own word
    same = ["0" if word in _NUMBER_WORDS or word[0].isdigit() else word for word in words]
    shingles = {*same, *map(" ".join, pairwise(same))}
    if same_numbers and "0" in shingles:
        numbers = [word.replace(",", "") for word, kept in zip(words, same, strict=True) if kept == "0"]
        key = " ".join(str(_NUMBER_WORDS.get(number, number)) for number in numbers)
        return {f"{shingle}|{key}" for shingle in shingles}
    return shingles


def _sign(prompts: Sequence[str], *, same_numbers: bool) -> "tuple[array[int], array[int], NDArray[np.uint32]]":
    """The shingles of all prompts (those of prompt i are `hashes[starts[i]:starts[i + 1]]`) and their signatures."""
    import numpy as np
    from rensa import RMinHash

    hashes, starts = array("Q"), array("Q", [0])
    signatures = np.empty((len(prompts), _SIGNATURE), np.uint32)
    for at in range(0, len(prompts), _BLOCK):
        block = [_shingle(prompt, same_numbers=same_numbers) for prompt in prompts[at : at + _BLOCK]]
        rows = RMinHash.hash_token_sets(block)
        for row in rows:
            hashes.extend(row)
            starts.append(len(hashes))
        signatures[at : at + _BLOCK] = RMinHash.digest_matrix_from_token_hash_sets(rows, _SIGNATURE, _SEED).to_rows()
    return hashes, starts, signatures
