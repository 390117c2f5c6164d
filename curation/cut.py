"""Where a trace is cut: its opening is the understanding of a draft, word for word, and the remainder its reasoning.

    Okay, let's see. I have a 6-liter and a 12-liter jug. It says that I must get 4 liters out of them. ...
    └───────────────────── opening ─────────────────────┘ └ remainder: hangs, for "It" leans on what is not before it

A first sentence such as "Okay, let's see." says nothing of the prompt. The rule `balanced` takes the sentences after it
in as well; where these say nothing either, a model writes the understanding, and what it replaces is cut away.
"""

import re
from typing import Literal

from pydantic import Field

from curation.enclosures import balanced
from curation.language import language
from curation.sentences import sentences
from curation.words import content_words
from schemas.example import Frozen

MOST_SENTENCES = 3
MOST_CHARACTERS = 400

Rule = Literal["balanced", "first_sentence"]

_LEADS_ON = (":", "：", ",", "，", "、", ";", "；", "-", "–", "—")
_SPACE = re.compile(r"\s*")


class Opening(Frozen):
    """How much of a trace's beginning is taken off it."""

    end: int = Field(ge=0, description="where the remainder may begin, in characters of the trace")
    usable: bool = Field(description="trace[:end] can stand as the understanding; if not, one has to be written for it")
    why: str = Field(description="in words, for a person who looks at the cut")


def opening(trace: str, prompt: str, rule: Rule) -> Opening:
    """The opening of a trace.

    `first_sentence` is the paper's form: the first sentence as it is, always usable.

    `balanced`: the shortest prefix of 1-3 sentences and at most 400 characters that shares a content word with the
    prompt, leaves no quotation, bracket, formula or code open, and does not end on a colon. Without one the opening is
    not usable, and `end` is where the sentences end that say nothing: as few as can be cut off so, 0 where none can.
    """
    spans = sentences(trace, MOST_SENTENCES)
    if not spans:
        return Opening(end=0, usable=False, why="the trace is empty")
    if rule == "first_sentence":
        return Opening(end=spans[0].end, usable=True, why="the first sentence, whatever it says")
    spoken = language(prompt)
    asked = content_words(prompt, spoken)
    why = f"no content word of the prompt up to sentence {len(spans)}"
    replaced = 0
    for number, span in enumerate(spans, start=1):
        prefix = trace[: span.end]
        if span.end > MOST_CHARACTERS:
            why = f"sentence {number} ends beyond {MOST_CHARACTERS} characters"
            break
        complete = balanced(prefix) and not prefix.endswith(_LEADS_ON)
        if asked.isdisjoint(content_words(prefix, spoken)):
            replaced = replaced or (span.end if complete else 0)
        elif complete:
            return Opening(end=span.end, usable=True, why=f"a content word of the prompt in sentence {number}")
        else:
            why = f"sentence {number} leaves a quotation, bracket, formula, code or colon open"
    if remainder_start(trace, replaced) == len(trace):
        replaced = 0
    return Opening(end=replaced, usable=False, why=why)


def remainder_start(trace: str, end: int) -> int:
    """Where the text goes on after `end`: its first character there that is no white space, else the trace's length."""
    found = _SPACE.match(trace, end)
    assert found is not None
    return found.end()


def hangs(remainder: str) -> bool:
    """Whether a text opens with words that lean on what was before: "But", "It", "Wait", "Hmm, that's", "In this case".

    English, Chinese, Japanese, Korean, Spanish, French, German, Italian, Portuguese, Russian, Arabic and Hindi.
    """
    return _LEANS.match(remainder) is not None


_LEANING_WORDS = """
    but wait hold then so and or yet still also too plus however though nevertheless nonetheless instead otherwise
    because therefore thus hence consequently accordingly besides moreover furthermore additionally anyway meanwhile
    similarly likewise conversely alternatively again actually indeed exactly correct right yes no rather else except
    it its itself one ones that this these those they them their theirs he him his himself she her hers herself such
    same another other others both neither either second secondly third thirdly next finally lastly
    pero entonces luego así esto eso este esta ese esa estos estas él ella ellos ellas también además espera sino
    mais donc alors puis ensuite cependant pourtant ainsi cela ça ceci cette ces ils elle elles attends aussi
    aber doch jedoch sondern dann denn also deshalb daher trotzdem außerdem und oder dies diese dieser dieses er sie
    es moment warte ma però quindi allora poi questo questa quello quella esso essa inoltre anche aspetta
    mas então porém isso isto ele ela eles elas também além espere portanto
    но а однако тогда поэтому значит затем потом это этот эта эти он она оно они его её их также и или стоп подожди
    لكن ولكن ثم إذن لذلك هذا هذه هو هي هم أيضا
    लेकिन परंतु मगर फिर इसलिए तो और या यह वह ये वे रुको
"""
_LEANING_UNPARTED = """
    但 不过 然而 可是 然后 那么 所以 因此 于是 而且 另外 此外 并且 等等 等一下 它 他 她 这 那 其
    しかし でも だから そして また つまり ただ それ これ その この そこ ここ 待って ところが では
    하지만 그러나 그래서 그런데 그리고 그럼 그러면 그것 이것 그는 잠깐 또한 따라서
"""
_LEANS = re.compile(
    rf"""
    \W*(?:(?:h+m+|oh|ah|uh|well)\b\W+)?            # "Hmm, wait": what follows the sigh decides
    (?: (?: {"|".join(_LEANING_WORDS.split())}
          | (?:in|at|by|from|with|after|for|to|on)[ ](?:this|that|these|those|such|all)
          | in[ ](?:other|contrast|addition|fact) | on[ ]the[ ](?:other|contrary) | by[ ]contrast
          | for[ ](?:example|instance) | as[ ](?:such|a[ ]result|said|mentioned) | even[ ](?:so|then) | not[ ]so
          | the[ ](?:other|others|latter|former|same|rest)
        )(?![\w\u0900-\u097f])
      | {"|".join(_LEANING_UNPARTED.split())}
    )""",
    re.VERBOSE | re.IGNORECASE,
)
