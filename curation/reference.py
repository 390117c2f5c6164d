r"""Does an answer come to the known right result? For numbers and short expressions, as GSM8K and MATH give them.

matches_reference(r"… so \boxed{\frac{1}{2}}", "0.5")    True
matches_reference("That makes **1,200** people.", "1200")   True
matches_reference("The answer is 7.", "8")                False
matches_reference("He is both.", "8")                     None: nothing to compare
"""

import re
from collections.abc import Sequence
from fractions import Fraction

LEAST_AGREEING = 2
"""Other samples that must come to the same conclusion: three in all, the fewest that can outvote one."""

MOST_AGREED_WORDS = 6
"""A longer conclusion that is no number is a sentence, and samples that share one word for word share more than it."""

LONGEST = 60
"""Characters. A longer reference is an explanation, which no rule can compare."""

_NUMBER = r"[-−+]?(?:\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d*\.?\d+)(?:\s*/\s*\d+)?"
_NUMBERS = re.compile(_NUMBER)
_STATED = re.compile(
    r"####\s*(?P<hashes>[^\n]{1,80})"
    r"|\b(?:final\s+)?(?:answer|result|total)(?:\*\*)?\s*(?:is|:|=)\s*(?:\*\*)?(?P<said>[^\n]{1,80})",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")
_LABEL = re.compile(
    r"\W*(?:(?:the|my|our|short|final|correct|full) ){0,2}"
    r"(?:answer|solution|result|conclusion|explanation|reason|reasoning|summary|verification|check|note|step|steps)"
    r"(?: \d{1,2})?\W*",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_WRAPPER = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[!,;: ]|\\q?quad|\\left|\\right|\\displaystyle|[$~]|\\[()\[\]]")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]{1,40})\}|(\d))\s*(?:\{([^{}]{1,40})\}|(\d))")
_PLAIN_NUMBER = re.compile(rf"[$€£]?\s*({_NUMBER})\s*(?:\\?%|[^\W\d_]{{1,20}}\.?|[$€£°]|\s)*")


def matches_reference(answer: str, reference: str) -> bool | None:
    """Whether the answer's own conclusion equals the reference; None where no rule can tell.

    The conclusion is the last \\boxed{}, else what follows '####' or 'the answer is', else the last bold run (what
    follows it where that is a label, "**Total**: 7"), else the one number of the last line. A unit after a number and
    a currency before it do not count.
    """
    wanted = _simplify(reference)
    if not wanted or len(reference) > LONGEST:
        return None
    value = _number(wanted)
    for found in _conclusions(answer):
        said = _simplify(found)
        if said == wanted:
            return True
        if value is None:
            continue
        numbers = [_number(match[0]) for match in _NUMBERS.finditer(said.rsplit("=", 1)[-1])]
        if _number(said) == value or (len(numbers) == 1 and numbers[0] == value):
            return True
        if len(numbers) <= 1 and numbers != []:
            return False
    return None


def samples_agree(answer: str, others: Sequence[str]) -> bool | None:
    """Whether other samples' answers come to this one's conclusion: True where all that can be compared do, at least
    LEAST_AGREEING; False where more differ than agree; None where too few can be compared, or the vote is split.

    Only a number or a few words can be agreed on. Agreement is no proof: a puzzle made to fool models fools several of
    them.
    """
    concluded = next(iter(_conclusions(answer)), None)
    if concluded is None or not _agreeable(concluded):
        return None
    said = [same for other in others if (same := matches_reference(other, concluded)) is not None]
    if len(said) < LEAST_AGREEING:
        return None
    if all(said):
        return True
    return False if 2 * sum(said) < len(said) else None


def _conclusions(answer: str) -> list[str]:
    """What the answer may conclude with, the surest first."""
    if boxed := _last_boxed(answer):
        return [boxed]
    stated = [match["hashes"] or match["said"] for match in _STATED.finditer(answer)]
    if stated:
        return [stated[-1]]
    lines = [line for line in answer.splitlines() if line.strip()]
    last = [line[-200:] for line in lines[-1:]]
    *_, bold = [None, *_BOLD.finditer(answer)]
    if bold is None:
        return last
    after = answer[bold.end() :]
    if after.lstrip().startswith((":", "：")) or bold[1].rstrip().endswith((":", "：")) or _LABEL.fullmatch(bold[1]):
        said = after.lstrip(" :：\t\r\n").split("\n", 1)[0].strip()
        return ([said[:200]] if said else []) + last
    return [bold[1], *last]


def _agreeable(concluded: str) -> bool:
    """Whether a conclusion is one that samples can share by more than chance and less than copying."""
    simple = _simplify(concluded)
    if not simple or _LABEL.fullmatch(simple):
        return False
    return _number(simple) is not None or len(_WORD.findall(simple)) <= MOST_AGREED_WORDS


def _last_boxed(answer: str) -> str | None:
    start = answer.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for at in range(start + len("\\boxed"), min(len(answer), start + 300)):
        depth += {"{": 1, "}": -1}.get(answer[at], 0)
        if depth == 0:
            return answer[start + len("\\boxed{") : at]
    return None


def _simplify(text: str) -> str:
    """One spelling for what is written in many: LaTeX fractions, spacing and words, thousands, the final stop."""
    text = _FRACTION.sub(lambda m: f"({m[1] or m[2]})/({m[3] or m[4]})", _SPACING.sub("", _WRAPPER.sub(r"\1", text)))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("{,}", ",").replace("−", "-").replace("*", ""))
    text = re.sub(r"\((-?\d+)\)/\((-?\d+)\)", r"\1/\2", text)
    return " ".join(text.casefold().split()).strip(" .")


def _number(text: str) -> Fraction | None:
    match = _PLAIN_NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return Fraction(re.sub(r"[,\s]", "", match[1].replace("−", "-")))
    except (ValueError, ZeroDivisionError):
        return None
