"""Whether a final answer is right: by number, by math-verify, by letter, by words. No model is asked.

right_number("… so she has 1,200 euros.", "1200")     True
right_maths("… is $\\\\boxed{\\\\frac12}$.", "0.5")        True
"""

import re
import threading
import unicodedata

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_LETTER = re.compile(r"(?<![A-Za-z])([ABCD])(?![A-Za-z])")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
MATHS_SECONDS = 5
"""The longest that one expression is parsed or compared; then it is not met."""
MATHS_CHARACTERS = 4000
"""The end of an answer, of which so much is parsed: a final answer stands last."""


def right_number(answer: str, reference: str) -> bool:
    """Whether the last number of the answer is the reference's, as GSM8K counts it: commas and trailing zeros aside."""
    said, wanted = _NUMBER.findall(answer), _NUMBER.findall(reference)
    return bool(said and wanted) and float(said[-1].replace(",", "")) == float(wanted[-1].replace(",", ""))


def right_maths(answer: str, reference: str) -> bool:
    """Whether the answer's last expression is the reference's, by math-verify (what is boxed comes first).

    The limit of MATHS_SECONDS is an alarm, which only the main thread can set: elsewhere there is none.
    """
    from math_verify import parse, verify

    limit: int = MATHS_SECONDS if threading.current_thread() is threading.main_thread() else 0
    wanted = parse(f"${reference}$", parsing_timeout=limit)
    said = parse(answer[-MATHS_CHARACTERS:], parsing_timeout=limit)
    return bool(verify(wanted, said, timeout_seconds=limit))


def right_letter(answer: str, reference: str) -> bool:
    """Whether the last letter A to D that stands alone is the reference's."""
    found = _LETTER.findall(unicodedata.normalize("NFKC", answer))
    return bool(found) and found[-1] == reference.strip().upper()


def right_words(answer: str, references: str) -> bool:
    """Whether one of the references, a line each, stands in the answer as words: case, articles and marks aside.

    Looser than NQ-Open's exact match, which a model that answers in sentences never meets.
    """
    said = f" {_bare(answer)} "
    return any(f" {bare} " in said for one in references.split("\n") if (bare := _bare(one)))


def code_of(answer: str) -> str:
    """The last block of code of an answer; where it has none, all of it."""
    blocks = re.findall(r"```[\w+-]*\n(.*?)(?:```|\Z)", answer, re.DOTALL)
    return str(blocks[-1]) if blocks else answer


def _bare(text: str) -> str:
    text = _ARTICLE.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(re.findall(r"\w+", text))
