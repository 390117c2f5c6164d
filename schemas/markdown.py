"""Texts of others on a page of ours: told in full, and inert.

    inline(text)      one line for a sentence or a table's cell; nothing in it is markup, a link or a mention
    block(text)       a fenced block that no text can close from inside
    table(head, body) cells that are markdown already, aligned so that they read as plain text too
    public_name(name) a model or source without the folders or the server that a careless name gives away

`Markup` marks what is markdown already. A template's environment escapes whatever is not, so that forgetting to escape
is safe.
"""

import re
import textwrap
import unicodedata
from collections.abc import Sequence

WIDTH = 76
"""Columns of a block: a block does not wrap on the page, it has to be scrolled sideways."""

_INVISIBLE = frozenset(
    "\u2028\u2029\ufeff\u200b\u2060\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Line ends, marks of direction and spaces of no width, which can show a text other than it is. What joins letters and
emoji (U+200C, U+200D) stays."""

_MARKS = {char: f"\\{char}" for char in "*_[]~#`"} | {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "|": "&#124;",
    # Entities, since the Hub sets `$$…$$` and `\\(…\\)` as formulas.
    "$": "&#36;",
    "\\": "&#92;",
}
_LINKS_ITSELF = re.compile(r"(?i)(?<=[a-z])(:)(?=//)|(?<=www)(\.)|(@)|(?<=mailto)(:)|(?<=xmpp)(:)")
_JOINER = "\u2060"


class Markup(str):
    """Text that is markdown already."""

    __slots__ = ()


def inline(text: str, most: int = 120) -> Markup:
    """`text` as one line of words: blanks and line ends become one space, what is longer than `most` is cut."""
    line = " ".join(visible(text).split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    line = "".join(_MARKS.get(char, char) for char in line)
    # A page turns addresses into links by itself; a joiner of no width keeps them text.
    return Markup(_LINKS_ITSELF.sub(rf"{_JOINER}\g<0>{_JOINER}", line))


def code(text: str, most: int = 120) -> Markup:
    """`text` as a span of code, in which only the ticks and a table's bar have to be minded."""
    line = " ".join(visible(text).split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    if not line or "|" in line or "`" in line or "\\" in line:
        return inline(text, most)
    return Markup(f"`{line}`")


def block(text: str, most: int = 900) -> Markup:
    """`text` in a fence that is longer than any in it, wrapped; out of a longer text the middle is left out."""
    shown = visible(text)
    if len(shown) > most:
        head, tail = shown[: most * 2 // 3].rstrip(), shown[-(most // 3) :].lstrip()
        shown = f"{head}\n\n[… {len(shown) - len(head) - len(tail):,} characters are left out here …]\n\n{tail}"
    lines = [part for line in shown.split("\n") for part in (_wrap(line) or [""])]
    ticks = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, ticks + 1)
    return Markup("\n".join([f"{fence}text", *lines, fence]))


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[at]) for row in (head, *body)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cells[at].rjust(width) if at else cells[at].ljust(width) for at, width in enumerate(widths))
        return f"| {' | '.join((first, *others))} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(head), f"| {' | '.join(rule)} |", *map(line, body)]


def visible(text: str) -> str:
    """`text` with one kind of line end, and escapes in place of what would not be seen or could not be stored."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    return "".join(char if _shows(char) else f"\\u{ord(char):04x}" for char in lines)


def public_name(name: str) -> str:
    """The name of a model or a source. Of a path or an address only the last part: the rest is somebody's own."""
    bare = name.strip()
    head = bare.split(":")[0]
    if re.match(r"[/\\~.]|[a-zA-Z]:[\\/]|[\w+.-]*://|[\w.-]+:\d+(?:/|$)", bare) or "\\" in bare or head.count("/") > 1:
        parts = [part for part in re.split(r"[/\\]", re.split(r"[?#]", bare)[0]) if part]
        is_server = re.search(r"://|:\d+", bare) and len(parts) < 3
        return "unnamed" if is_server or not parts else parts[-1]
    return bare


def _shows(char: str) -> bool:
    return char == "\n" or not (char in _INVISIBLE or unicodedata.category(char) in ("Cc", "Cs"))


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, replace_whitespace=False, break_on_hyphens=False)
