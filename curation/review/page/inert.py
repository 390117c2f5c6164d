"""Text that others wrote, on Argilla's page: shown exactly, and inert.

The page puts a field's text into the document as HTML, with Markdown and TeX read first where the field asks for it.
So every character that any of the three acts upon is written as a numeric entity, and every character that nobody can
see, or that reorders what stands around it, is replaced by its name, e.g. ⟦U+202E⟧.
"""

import re

# Controls (but tab and newline), line breaks that are none in HTML, bidirectional marks and overrides, fillers and
# characters without width, halves of surrogate pairs, non-characters, tags. Not the two joiners (U+200C, U+200D):
# emoji and half of the world's scripts are spelled with them.
HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)

# What HTML, Markdown or TeX gives a meaning, wherever it stands; tab and newline, since a blank line would end the
# block of HTML. The apostrophe and `$` and `#` also mean something where the page pastes texts into its templates.
_ACTIVE = re.compile(r"""[&<>"'`$#*_~|\\{}\[\]()!+=@^\t\n]""")
_ACTIVE_IN_PLAIN = re.compile(r"[&<>$#\U00010000-\U0010ffff]")


_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text without what a server's database or the way there does not take: NUL, halves of surrogate pairs."""
    return _NO_TEXT.sub("\ufffd", text)


def visible(text: str) -> str:
    """The text with every hidden character named, and lines that end as they do in HTML."""
    return HIDDEN.sub(_name, text.replace("\r\n", "\n"))


def inert(text: str) -> str:
    """The text as a part of one block of HTML on one line, for a field that is read as Markdown."""
    return _ACTIVE.sub(_entity, visible(text))


def inert_plain(shown: str) -> str:
    """A text that `visible` gave, for a field that is not read as Markdown: the page shows it character by character.

    Characters that JavaScript counts twice are entities too: so the stored text is longer than the offsets of any
    mark in it, and the server, which counts otherwise, does not turn such marks away.
    """
    return _ACTIVE_IN_PLAIN.sub(_entity, shown)


def _name(found: re.Match[str]) -> str:
    return f"⟦U+{ord(found[0]):04X}⟧"


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
