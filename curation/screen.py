"""Prompts that are nearly the same: which belong to one family, which are duplicates.

    families(["How do I bake bread?", "how do I bake  bread", "Name three rivers."])   [0, 0, 2]

Two prompts are compared by their words and word pairs, as sets: the share that both have of all that either has
(Jaccard). Numbers count as one word, so "3 pens for 2 euros" and "5 pens for 9 euros" are one family; duplicates must
have the same numbers too. What this does not see: a paraphrase in other words, and a change of one word that turns
the meaning round (a prompt and its harmful twin are often one family, and belong on the same side of a split).

The comparison is exact and nothing is drawn at random: candidates come from an inverted index of each prompt's rarest
shingles (prefix filtering: Bayardo, Ma and Srikant, "Scaling up all pairs similarity search", WWW 2007).
"""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

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

_SMALL = 1000
"""Up to so many prompts that share a shingle are compared each with each. From a larger group those leave that joined
a cluster: 100,000 prompts of one template would be 5e9 comparisons."""

_COMPARISONS = 30_000_000
"""After so many (about 2 s) what is left of the largest groups is not compared, so clusters may come out too fine.
Not reached by 20,000 prompts built to reach it, nor by 100,000 varied ones."""

_BLOCK = 4096
"""Prompts worked on at once: bounds the memory, and fits 12 bits of a sort key."""

_CHUNK = 1 << 15
"""Pairs looked at at once, for the same reason."""

_BITS = 512
_NUMBER = 0
"""The word id that all numbers share."""

# fmt: off
_NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "thousand": 1000, "million": 1_000_000,
}
# fmt: on
"""English only, and without "one", which is a pronoun more often than a number."""

_ASCII_WORD = re.compile(r"[a-z]+|\d+(?:[.,]\d+)*")
# Scripts that put no spaces between words (Thai to Khmer, kana, Han) are taken character by character.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[^\W\d_{_UNSPACED}]+|\d+(?:[.,]\d+)*|[{_UNSPACED}]")


def families(prompts: Sequence[str]) -> list[int]:
    """For each prompt the index of the first prompt of its family; near-duplicates of near-duplicates are included.

    Prompts that differ only in numbers are one family: both must stay on one side of a train/test split.
    """
    return _cluster(prompts, FAMILY_SIMILARITY, same_numbers=False)


def duplicates(prompts: Sequence[str]) -> list[int]:
    """For each prompt the index of the first that says the same with the same numbers: its own index, if none does."""
    return _cluster(prompts, DUPLICATE_SIMILARITY, same_numbers=True)


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


class _Shingles(NamedTuple):
    """The shingle sets of all prompts: prompt i has `hashes[starts[i]:starts[i + 1]]`, sorted, each once."""

    hashes: "NDArray[np.uint32]"
    starts: "NDArray[np.int64]"
    numbers: "NDArray[np.int64]"

    def similarity(self, shingles: set[int], other: int) -> float:
        """Jaccard of a set and the set of prompt `other`."""
        theirs = self.hashes[self.starts[other] : self.starts[other + 1]].tolist()
        shared = len(shingles.intersection(theirs))
        return shared / (len(shingles) + len(theirs) - shared)

    def of(self, prompt: int) -> set[int]:
        return set(self.hashes[self.starts[prompt] : self.starts[prompt + 1]].tolist())


def _cluster(prompts: Sequence[str], similarity: float, *, same_numbers: bool) -> list[int]:
    import numpy as np

    first: dict[str, int] = {}
    unique = [first.setdefault(prompt, len(first)) for prompt in prompts]
    shingles = _shingle(list(first))
    bitmaps = _bitmaps(shingles)
    roots = np.arange(len(first), dtype=np.int32)
    groups, members = _index(shingles, similarity, same_numbers=same_numbers)
    compared = 0
    while len(groups) and compared < _COMPARISONS:
        # In each round the first prompt of every group is compared with the others, and leaves.
        compared += len(groups)
        heads = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]][: len(groups)])
        lengths = np.diff(heads, append=len(groups)).astype(np.int32)
        leaders = np.repeat(members[heads], lengths)
        pairs = [np.empty(0, np.int64)]
        for at in range(0, len(groups), _CHUNK):
            one, two = leaders[at : at + _CHUNK], members[at : at + _CHUNK]
            apart = roots[one] != roots[two]
            one, two = one[apart], two[apart]
            near = _may_be_near(shingles, bitmaps, one, two, similarity)
            if same_numbers:  # groups are made by numbers too, but their 32-bit keys may collide
                near &= shingles.numbers[one] == shingles.numbers[two]
            pairs.append(np.unique(one[near].astype(np.int64) << 32 | two[near]))
        roots = _join(roots, shingles, np.unique(np.concatenate(pairs)), similarity)
        stays = (np.repeat(lengths, lengths) <= _SMALL) | (roots[leaders] != roots[members])
        stays[heads] = False
        groups, members = groups[stays], members[stays]
    firsts: dict[int, int] = {}
    return [firsts.setdefault(int(roots[text]), place) for place, text in enumerate(unique)]


def _may_be_near(
    shingles: _Shingles,
    bitmaps: "NDArray[np.uint64]",
    one: "NDArray[np.int32]",
    two: "NDArray[np.int32]",
    similarity: float,
) -> "NDArray[np.bool_]":
    """False where two prompts cannot be similar enough: a bound from below on in how many shingles they differ."""
    import numpy as np

    sizes = np.diff(shingles.starts).astype(np.int32)
    # |A and B| >= s |A or B| is the same as |A xor B| <= (1 - s) / (1 + s) (|A| + |B|).
    allowed = ((1 - similarity) / (1 + similarity) * (sizes[one] + sizes[two]) + 1e-9).astype(np.int32)
    near: NDArray[np.bool_] = np.abs(sizes[one] - sizes[two]) <= allowed
    one, two = one[near], two[near]
    differing = np.bitwise_count(bitmaps[one] ^ bitmaps[two]).sum(axis=1, dtype=np.int32)
    near[near] = differing <= allowed[near]
    return near


class _Vocabulary(dict[str, int]):
    """Gives each new word the next id; numbers, as digits or as English words, are one word."""

    def __missing__(self, word: str) -> int:
        number = word[:1].isdigit() or word in _NUMBER_WORDS
        self[word] = identifier = _NUMBER if number else len(self) + 1
        return identifier


def _words(prompt: str) -> list[str]:
    if prompt.isascii():
        words = _ASCII_WORD.findall(prompt.lower())
    else:
        words = _WORD.findall(unicodedata.normalize("NFKC", prompt).casefold())
    return words or [prompt.strip()]  # nothing but signs or emoji: the prompt is its own word


def _shingle(prompts: Sequence[str]) -> _Shingles:
    import numpy as np

    vocabulary = _Vocabulary()
    tokens = array("I")
    ends = array("q", [0])
    numbers = array("q")
    for prompt in prompts:
        words = _words(prompt)
        ids = list(map(vocabulary.__getitem__, words))
        tokens.extend(ids)
        ends.append(len(tokens))
        numbers.append(_hash_numbers(words, ids) if _NUMBER in ids else 0)
    hashes = np.zeros(len(vocabulary) + 1, np.uint64)
    for word, identifier in vocabulary.items():
        hashes[identifier] = _hash(word if identifier != _NUMBER else "")
    token_ids, starts = np.frombuffer(tokens, np.uint32), np.frombuffer(ends, np.int64)
    found = np.empty(2 * len(token_ids), np.uint32)  # a prompt of n words has at most n words and n - 1 pairs
    sizes = np.zeros(len(prompts) + 1, np.int64)
    end = 0
    for at in range(0, len(prompts), _BLOCK):
        bounds = starts[at : at + _BLOCK + 1]
        words_here = hashes[token_ids[bounds[0] : bounds[-1]]]
        owner = np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(bounds))
        pairs = (words_here[:-1] * np.uint64(0x9E3779B97F4A7C15) ^ words_here[1:]) * np.uint64(0xD6E8FEB86659FD93)
        within = owner[:-1] == owner[1:]
        keys = np.sort(np.r_[owner << 32 | words_here >> 32, (owner[:-1] << 32 | pairs >> 32)[within]])
        keys = keys[np.r_[True, keys[1:] != keys[:-1]]]  # each shingle once
        found[end : end + len(keys)] = keys
        end += len(keys)
        sizes[at + 1 : at + len(bounds)] = np.bincount((keys >> 32).astype(np.int64), minlength=len(bounds) - 1)
    return _Shingles(found[:end], np.cumsum(sizes), np.frombuffer(numbers, np.int64))


def _hash(word: str) -> int:
    # Not hash(): Python seeds that anew in every process, and the candidates would differ from run to run.
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _hash_numbers(words: Sequence[str], ids: Sequence[int]) -> int:
    numbers = [word for word, identifier in zip(words, ids, strict=True) if identifier == _NUMBER]
    return _hash(" ".join(str(_NUMBER_WORDS.get(number, number.replace(",", ""))) for number in numbers)) >> 1


def _owners(shingles: _Shingles, at: int) -> "NDArray[np.uint64]":
    """For the block of prompts from `at` on: whose each shingle is, counted within the block."""
    import numpy as np

    bounds = shingles.starts[at : at + _BLOCK + 1]
    return np.repeat(np.arange(len(bounds) - 1, dtype=np.uint64), np.diff(bounds))


def _bitmaps(shingles: _Shingles) -> "NDArray[np.uint64]":
    """A prompt's shingles as a set of bits, to bound from below in how many two prompts differ."""
    import numpy as np

    blocks = [np.empty((0, _BITS // 64), np.uint64)]
    for at in range(0, len(shingles.starts) - 1, _BLOCK):
        owner = _owners(shingles, at)
        count = min(_BLOCK, len(shingles.starts) - 1 - at)
        bits = np.zeros((count, _BITS), dtype=bool)
        here = shingles.hashes[shingles.starts[at] :][: len(owner)]
        bits[owner, here % _BITS] = True
        blocks.append(np.packbits(bits, axis=1).view(np.uint64))
    return np.concatenate(blocks)


def _index(
    shingles: _Shingles, similarity: float, *, same_numbers: bool
) -> "tuple[NDArray[np.uint32], NDArray[np.int32]]":
    """Groups of prompts that share one of their rarest shingles (and all numbers), as sorted columns: group, prompt.

    Two prompts of n and m shingles that are similar enough share at least `similarity * max(n, m)`, so they share one
    among the first n - that + 1 of each in any common order. Rare ones first makes the groups small.
    """
    import numpy as np

    counts = np.bincount(shingles.hashes >> 12, minlength=1 << 20).clip(max=(1 << 20) - 1).astype(np.uint64)
    blocks = [np.empty(0, np.uint64)]
    for at in range(0, len(shingles.starts) - 1, _BLOCK):
        owner = _owners(shingles, at)
        here = shingles.hashes[shingles.starts[at] :][: len(owner)]
        keys = np.sort(owner << 52 | counts[here >> 12] << 32 | here)
        bounds = shingles.starts[at : at + _BLOCK + 1]
        sizes = np.diff(bounds)
        ahead = sizes - np.ceil(similarity * sizes - 1e-9).astype(np.int64) + 1
        rank = np.arange(len(owner)) - np.repeat(bounds[:-1] - bounds[0], sizes)
        keys = keys[rank < np.repeat(ahead, sizes)]
        prompts = (keys >> 52) + at
        if same_numbers:
            keys ^= shingles.numbers[prompts].astype(np.uint64)
        blocks.append(keys << 32 | prompts)
    entries = np.concatenate(blocks)
    del blocks
    entries.sort()
    groups = (entries >> 32).astype(np.uint32)
    again = groups[1:] == groups[:-1]
    shared = np.zeros(len(groups), dtype=bool)
    shared[1:] |= again
    shared[:-1] |= again
    return groups[shared], entries[shared].astype(np.int32)


def _join(
    roots: "NDArray[np.int32]", shingles: _Shingles, pairs: "NDArray[np.int64]", similarity: float
) -> "NDArray[np.int32]":
    """Everyone's smallest companion once the pairs (one << 32 | two) that are similar enough are in one cluster."""
    import numpy as np

    if not len(pairs):
        return roots
    parents = roots.tolist()

    def root(prompt: int) -> int:
        while (parent := parents[prompt]) != prompt:
            parents[prompt] = prompt = parents[parent]
        return prompt

    leader, theirs = -1, set[int]()
    for pair in pairs.tolist():
        one, two = pair >> 32, pair & 0xFFFFFFFF
        first, second = root(one), root(two)
        if first == second:
            continue
        if one != leader:
            leader, theirs = one, shingles.of(one)
        if shingles.similarity(theirs, two) >= similarity:
            parents[max(first, second)] = min(first, second)
    return np.fromiter((root(prompt) for prompt in range(len(parents))), np.int32, len(parents))
