"""The content words of a text: what it is about, less the words that only hold sentences together.

content_words("The user was reading 12 messages.", "en")   {"read", "12", "messag"}
content_words("他想偷看室友的手机", "zh")                    {"偷看", "看室", "室友", "手机"}: pairs of characters
"""

import functools
import re
from collections.abc import Callable, Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = _words("""
    a an the this that these those there here
    i me my mine myself you your yours yourself he him his himself she her hers herself it its itself
    we us our ours ourselves they them their theirs themselves one someone somebody anyone anybody everyone something
    anything everything nothing thing things
    who whom whose which what when where why how whether
    am is are was were be been being have has had having do does did doing done can could will would shall should may
    might must ought cannot don doesn didn isn aren wasn weren couldn wouldn shouldn hasn haven hadn won let
    and or but nor so yet if then else than as because since unless until while although though however
    of at by for with about against between into through during before after above below to from up down in out on off
    behind over under again once upon within without toward towards via per
    not no any all both each few more most other another others some such only own same too very just also even ever
    still much many now almost perhaps maybe really quite rather probably actually basically
    get gets got getting go goes going gone come comes coming make makes making made take takes taking took put
    say says said saying tell tells know knows like want wants wanted wanting need needs needed try tries trying tried
    use uses used using
    first next finally st nd rd th etc eg ie vs
""")
"""English words that hold sentences together. The published lists are too long here: stop-words 2025.11 and
stop-words-iso give 1,300, "fire", "computer", "buy", "three" and the x, y, z of formulas among them."""

TALK = _words("""
    okay ok hmm hm oh ah um uh well alright sure yes yeah right wait please
    user users asking ask asks asked question questions query request requests requesting prompt problem problems
    puzzle riddle task answer answers think thinking thought figure solve solving look looking see start step steps
    understand understanding consider recall approach break help carefully
    用户 问 问题 题目 思考 首先 回答 問 質問 問題 사용 용자 질문 문제
""")
"""With these a trace talks about its own work: they say nothing of a prompt, even of one that holds them too."""

_HAN_FUNCTION = (
    "的了是在我你您他她它们們这這那有和就不都也吗呢吧啊把被给對对要会會"
    "能可以想让請请个個一什么麼怎样樣如何为為因所但而与與及或"
)
_HANGUL_FUNCTION = _words("""
    니다 습니 입니 합니 하는 에서 으로 에게 까지 부터 하고 있는 것은 있습 어떻 떻게 무엇 나요 세요
""")

_CLITIC = re.compile(r"\b(?:qu|[cdjlmnst])['’](?=\w)|(?<=\w)['’](?:s|t|d|m|ll|re|ve)\b", re.IGNORECASE)
_COMMAND = re.compile(r"\\[a-zA-Z]+")
# Signs that go on top of letters are no letters to `re`, but parts of words in Arabic, Hebrew and Indic scripts.
_TOKEN = re.compile(
    rf"""
      (?P<number>\d+(?:[.,]\d+)*)
    | (?P<han>(?:(?![{_HAN_FUNCTION}])[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々])+)
    | (?P<hangul>[\uac00-\ud7a3]+)
    | (?P<unparted>[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]+)
    | (?P<katakana>[\u30a0-\u30ff]+)
    | (?P<word>(?:(?![\u3040-\u309f\u3400-\u9fff\uac00-\ud7a3])[^\W\d_]
               |[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff])+)
    """,
    re.VERBOSE,
)


def content_words(text: str, code: str) -> frozenset[str]:
    """The stems of a text's content words and its numbers, as a text in the language of this ISO 639-1 code reads them.

    English function words are left out in any language. Of scripts without spaces it gives runs of characters.
    """
    return frozenset(_content(_COMMAND.sub(" ", _CLITIC.sub(" ", text)).lower(), code))


def is_english_function_word(word: str) -> bool:
    return word.lower() in ENGLISH or word.lower() in TALK


def _content(text: str, code: str) -> Iterator[str]:
    stops = _stop_words(code)
    for token in _TOKEN.finditer(text):
        word = token[0]
        if token["number"]:
            yield word.replace(",", "")
        elif token["han"]:
            yield from _runs(word, 2) - TALK
        elif token["hangul"]:
            yield from _runs(word, 2) - TALK - _HANGUL_FUNCTION
        elif token["unparted"]:
            yield from _runs(word, 4)
        elif not (word in ENGLISH or word in TALK or word in stops):
            yield _stem(code, word)


def _runs(word: str, size: int) -> set[str]:
    return {word[at : at + size] for at in range(max(1, len(word) - size + 1))}


@functools.cache
def _stop_words(code: str) -> frozenset[str]:
    if code == "en":
        return frozenset()
    from stop_words import LANGUAGE_MAPPING, get_stop_words  # type: ignore[import-untyped]

    return frozenset(get_stop_words(code)) if code in LANGUAGE_MAPPING else frozenset()


@functools.lru_cache(maxsize=20_000)
def _stem(code: str, word: str) -> str:
    return _stemmer(code)(word)


@functools.cache
def _stemmer(code: str) -> Callable[[str], str]:
    import snowballstemmer  # type: ignore[import-untyped]
    from stop_words import LANGUAGE_MAPPING

    name = LANGUAGE_MAPPING.get(code)
    if name not in snowballstemmer.algorithms():
        return str
    stem: Callable[[str], str] = snowballstemmer.stemmer(name).stemWord
    return stem
