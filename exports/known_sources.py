"""Prompt sets whose names we know: what to cite, and which of them models are measured with.

A set that is trained on is no longer a measure of what was trained. So the card names every benchmark among its
sources as one, whatever other set the rows came through ('UCSC-VLAA/STAR-1:HarmBench' is two of these).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class KnownSet(NamedTuple):
    """`pattern`: its names, in any case, with `-` for `_`. `measures`: what it is a benchmark of; '' if it is none."""

    name: str
    pattern: str
    url: str
    measures: str = ""


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


KNOWN: tuple[KnownSet, ...] = (
    KnownSet("HarmBench", r"harm\W?bench", _arxiv("2402.04249"), "harmful compliance"),
    KnownSet("StrongREJECT", r"strong\W?reject", _arxiv("2402.10260"), "harmful compliance"),
    KnownSet("JailbreakBench", r"jailbreak\W?bench|\bjbb\b", _arxiv("2404.01318"), "jailbreaks"),
    KnownSet("AdvBench", r"adv\W?bench", _arxiv("2307.15043"), "harmful compliance"),
    KnownSet("SALAD-Bench", r"salad\W?(?:bench|data)", _arxiv("2402.05044"), "harmful compliance"),
    KnownSet("SimpleSafetyTests", r"simple\W?safety\W?tests?", _arxiv("2311.08370"), "harmful compliance"),
    KnownSet("SORRY-Bench", r"sorry\W?bench", _arxiv("2406.14598"), "refusals"),
    KnownSet("WildJailbreak", r"wild\W?jailbreak", _arxiv("2406.18510"), "jailbreaks and over-refusal"),
    KnownSet("WildGuardMix", r"wild\W?guard", _arxiv("2406.18495"), "harm and refusals"),
    KnownSet("AttaQ", r"\battaq\b", _arxiv("2311.04124"), "harmful compliance"),
    KnownSet("Do-Not-Answer", r"do\W?not\W?answer", _arxiv("2308.13387"), "harmful compliance"),
    KnownSet("GPTFuzzer", r"gpt\W?fuzz", _arxiv("2309.10253"), "jailbreaks"),
    KnownSet("XSTest", r"\bxs\W?test", _arxiv("2308.01263"), "over-refusal"),
    KnownSet("OR-Bench", r"\bor\W?bench", _arxiv("2405.20947"), "over-refusal"),
    KnownSet("GSM8K", r"\bgsm\W?8k|grade-school-math", _arxiv("2110.14168"), "reasoning"),
    # rasbt's set holds problems of MATH-500, which nothing but its licence says.
    KnownSet(
        "MATH",
        r"\bmath\W?500\b|hendrycks\W?math|competition\Wmath|rasbt/reasoning-from-scratch",
        _arxiv("2103.03874"),
        "reasoning",
    ),
    KnownSet("HumanEval", r"human\W?eval", _arxiv("2107.03374"), "reasoning"),
    KnownSet("STAR-1", r"\bstar-1\b|star\W?benign", _arxiv("2504.01903")),
    KnownSet("SafeChain", r"safe\W?chain", _arxiv("2502.12025")),
    KnownSet("R1-Act", r"r1\W?act\b", _arxiv("2508.00324")),
    KnownSet("BeaverTails", r"beaver\W?tails", _arxiv("2307.04657")),
    KnownSet("HarmfulQA", r"harmful\W?qa", _arxiv("2308.09662")),
    KnownSet("UltraSafety", r"ultra\W?safety", _arxiv("2402.19085")),
    KnownSet("MisguidedAttention", r"misguided\W?attention", "https://github.com/cpldcpu/MisguidedAttention"),
)


def known_sets(source: str) -> tuple[KnownSet, ...]:
    """Every set that a source's name names, benchmarks first."""
    name = source.replace("_", "-")
    return tuple(known for known in KNOWN if re.search(known.pattern, name, re.IGNORECASE))


def all_known(sources: Iterable[str]) -> tuple[KnownSet, ...]:
    """Every set that any of these names, once, in the order of `KNOWN`."""
    found = {known for source in sources for known in known_sets(source)}
    return tuple(known for known in KNOWN if known in found)
