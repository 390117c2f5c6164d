"""Quotations, formulas, code and brackets: runs of a text that nothing may cut open.

He paid $5 "for x. Then, he said, y" (and $z = 2.$ too).
           └──────── quoted ───────┘ └─ bracketed ────┘      "$5" is money, "don't" no quotation
"""

import re
from collections.abc import Iterator

# Each run is bounded, so that an opening mark that is never closed costs little. A quotation may hold a blank line.
_QUOTED = r"""
      (?<![\w"])"(?=\S)[^"]{0,1000}(?<=\S)"(?![\w"])
    | “[^“”]{0,1000}”
    | „[^„“”]{0,1000}[“”]
    | «[^«»]{0,1000}»
    | »[^«»]{0,1000}«
    | 「[^「」]{0,1000}」
    | 『[^『』]{0,1000}』
    | 《[^《》]{0,200}》
    | ‘(?:[^‘’\n]|(?<=\w)’(?=\w)){1,400}’(?!\w)
    | (?<![\w'])'(?!\d\ds?\b|(?:tis|twas|em|til|cause|n)\b)(?=\S)(?:[^'\n]|(?<=\w)'(?=\w)){1,400}(?<=\S)'(?!\w)
"""
_MATHS = r"""
      \$\$.{1,2000}?\$\$
    | \\\[.{1,2000}?\\\]
    | \\\(.{1,500}?\\\)
    | \\begin\{(?P<environment>\w+\*?)\}.{0,2000}?\\end\{(?P=environment)\}
    # "$5 or $10" is money: a formula may open with a digit only if its closing mark leans on what it closes.
    | (?<![\\\w$])\$(?!\s?\.?\d)(?:[^$\n]|\n(?!\s*\n)){1,300}(?<!\\)\$(?![\w$])
    | (?<![\\\w$])\$(?=\d)[^$\n]{1,300}(?<![\s\\])\$(?![\w$])
"""
_CODE = r"""
      ```.*?```
    | ``[^`\n]{1,300}(?:``|'')
    | `[^`\n]{1,300}`
"""
_EMPHASIS = r"(?<!\w)\*\*(?=\S)[^*\n]{1,300}(?<=\S)\*\*"
_BRACKETED = r"""
      \((?:[^()\n]|\n(?!\s*\n)|\([^()\n]{0,200}\)){0,600}\)
    | \[(?:[^\[\]\n]|\n(?!\s*\n)|\[[^\[\]\n]{0,200}\]){0,600}\]
    | （[^（）\n]{0,600}）
"""
_BLOCK = rf"(?P<block>{_CODE}|```.*(?<=\S)(?=\s*\Z)|{_MATHS}|{_EMPHASIS})"
_ENCLOSED = re.compile(rf"{_BLOCK}|{_QUOTED}|{_BRACKETED}", re.VERBOSE | re.DOTALL)
_OPENS = re.compile(r"""[`$\\*"'“„«»「『《‘(\[（]""")

_UNBRACKETED = re.compile(rf"{_CODE}|{_MATHS}|{_EMPHASIS}|{_QUOTED}", re.VERBOSE | re.DOTALL)
_STRAY = re.compile(
    r"""
      [“”„«»「」『』《》‘`]
    | (?<!\d)"                                                        # 6" is a length
    | (?<![\w'])'(?!\d\ds?\b|(?:tis|twas|em|til|cause|n)\b)(?=\w)     # the girls' tea, the '90s: no quotation
    | (?<![\\\w])\$(?!\s?\.?\d)                                       # $5 is money
    | \\[()\[\]] | \\(?:begin|end)\b
    | (?<!\S)\*\*(?=\S)
    """,
    re.VERBOSE,
)
_SMILEY = re.compile(r"(?<!\S)[:;]-?[()](?!\S)")
_LIST_MARK = re.compile(r"(?<!\S)\w{1,3}\)")
_CLOSED_BY = {"(": ")]", "[": ")]", "{": "}", "（": "）", "【": "】"}
_CLOSING = frozenset(")]}）】")


def find_enclosed(text: str) -> Iterator[re.Match[str]]:
    """The enclosed runs of a text in order, outermost only, found as they are asked for.

    The group "block" is what stands apart where it stands on a line of its own: code, formulas, bold type.
    """
    at = 0
    # Trying the long pattern only where a run can open takes two thirds of the time of searching with it.
    while opening := _OPENS.search(text, at):
        match = _ENCLOSED.match(text, opening.start())
        at = match.end() if match else opening.end()
        if match:
            yield match


def balanced(text: str) -> bool:
    """Whether every quotation, bracket, formula and run of code that opens in a text also closes in it.

    Apostrophes, amounts of money, lengths (6"), list marks "a)", smileys and intervals "[0, 1)" are no fault.
    """
    rest = _SMILEY.sub(" ", _UNBRACKETED.sub(" ", text))
    if _STRAY.search(rest):
        return False
    marks = {match.end() - 1 for match in _LIST_MARK.finditer(rest)}
    pending: list[str] = []
    for at, sign in enumerate(rest):
        if sign in _CLOSED_BY:
            pending.append(_CLOSED_BY[sign])
        elif sign in _CLOSING and pending:
            if sign not in pending.pop():
                return False
        elif sign in _CLOSING and at not in marks:
            return False
    return not pending
