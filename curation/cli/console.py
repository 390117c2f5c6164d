"""Text that others wrote, on the user's terminal: shown exactly, and inert."""

import re

# C0 and C1 controls but newline and tab, the bidirectional overrides, and line breaks that terminals act on.
_ACTIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, one_line: bool = False) -> str:
    """The text with every character that a terminal would act on written out, e.g. an escape as \\x1b."""
    shown = _ACTIVE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text.replace("\r\n", "\n"))
    return " ".join(shown.split()) if one_line else shown


def in_columns(text: str) -> str:
    """One line, inert, its spaces as they are: where columns stand below each other."""
    return visible(text).replace("\n", r"\n")


def shorten(text: str, width: int) -> str:
    """One line of at most `width` characters, inert."""
    line = visible(text, one_line=True)
    return line if len(line) <= width else line[: width - 1] + "…"
