r"""What a person types into the search box, as a condition on a record: the syntax of `simple_query_string`.

    calm weather      both words, in whatever fields of the record    calm | weather    either
    "calm weather"    side by side, in one field                      -weather          not this one
    weath*            words that begin so                             (a | b) c         groups

Nothing typed is ever an error. A word with signs in it (`x<y`) is found where its parts stand side by side, whatever
stands between them; a word of signs alone (`&&`) is found exactly. A backslash takes a sign as it is. `~2` after a
word (spelling) is not looked at.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from .clause import ALWAYS, NEVER, Clause
from .text import words


class Word(NamedTuple):
    """A word or a quoted phrase."""

    text: str
    prefix: bool


Sign = Literal["(", ")", "|", "-", "+"]

MOST_WORDS = 300
MOST_NESTED = 20
"""Brackets within each other, typed ones and those that `a | b c | d e` comes to. SQLite takes 100, and up to 1,000
words; what goes beyond is left out."""

_PIECE = re.compile(
    r"""\s*(?: "(?P<phrase>(?:\\.|[^"\\])*)(?:"|$)(?:~\d*)? | (?P<sign>[()|+]) | (?P<minus>-)(?=\S)
           | (?P<word>(?:\\.|[^\s()|+"\\]|\\$)+) )""",
    re.VERBOSE | re.DOTALL,
)


def condition(query: str, field: str | None) -> Clause:
    """The records `r` that a query finds in one of their fields, or in all of them together where `field` is None.

    A query without any word finds nothing. Of a long text that is pasted in, the first MOST_WORDS count.
    """
    found, _ = _group(list(_pieces(query)), 0, field)
    return found or NEVER


def _pieces(query: str) -> Iterator[Word | Sign]:
    at = depth = count = 0
    while count < MOST_WORDS and (match := _PIECE.match(query, at)):
        at = match.end()
        if match["phrase"] is not None or match["word"] is not None:
            word = _word(match["phrase"], match["word"])
            if word is not None:
                count += 1
                yield word
        elif match["minus"]:
            yield "-"
        elif match["sign"] == "(":
            depth += 1
            if depth <= MOST_NESTED:
                yield "("
        elif match["sign"] == ")":
            if 0 < depth <= MOST_NESTED:
                yield ")"
            depth = max(0, depth - 1)
        else:
            yield "|" if match["sign"] == "|" else "+"


def _word(phrase: str | None, word: str | None) -> Word | None:
    if word is None:
        text = _plain(phrase or "")
        return Word(text, prefix=False) if text else None
    word = re.sub(r"(?<=[^\\])~\d*$", "", word)
    prefix = word.endswith("*") and not word.endswith(r"\*")
    return Word(_plain(word[:-1] if prefix else word), prefix)


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).strip()


def _group(pieces: list[Word | Sign], at: int, field: str | None) -> tuple[Clause | None, int]:
    """The condition up to the bracket that closes this group, and what comes after it. Signs bind left to right."""
    found: Clause | None = None
    either = negated = False
    while at < len(pieces):
        piece = pieces[at]
        at += 1
        if piece == ")":
            break
        if piece == "|":
            either = True
        elif piece == "-":
            negated = not negated
        elif piece != "+":
            part: Clause | None
            if isinstance(piece, Word):
                part = _leaf(piece, field)
            else:
                part, at = _group(pieces, at, field)
            if part is not None:
                part = ~part if negated else part
                found = part if found is None else found | part if either else found & part
            either = negated = False
            if found and found.depth >= MOST_NESTED:
                return found, len(pieces)
    return found, at


def _leaf(word: Word, field: str | None) -> Clause:
    text = words(word.text)
    if not text.strip():
        return ALWAYS if word.prefix else NEVER
    if any(character.isalnum() for character in text):
        quoted = text.replace('"', '""').replace("\0", " ")
        found = Clause("curate_text MATCH ?", (f'"{quoted}"{"*" if word.prefix else ""}',))
    else:
        found = Clause("instr(curate_text.text, ?) > 0", (text,))
    if field is not None:
        found &= Clause("curate_text_rows.field = ?", (field,))
    return Clause(
        "r.id IN (SELECT record_id FROM curate_text JOIN curate_text_rows ON curate_text_rows.id = curate_text.rowid"
        f" WHERE {found.sql})",
        found.values,
    )
