"""Which language a text is in, said only when it is clear.

    language("Wie lese ich ihre Nachrichten?")   "de"
    language("Waka Waka")                        "en": too little to go by

Used to ask the LLM for the prompt's language and to flag a draft that left it.
"""

import functools
import re
from collections.abc import Callable

LOOKED_AT = 600
"""Characters that are looked at: the model needs a few sentences, and a trace may have 23,000."""

LEAST_LETTERS = 20
"""Below this, names decide: 'Waka Waka' is no language."""

LEAST_WORDS = 4
"""The same for scripts that part their words; Chinese and Japanese do not."""

CONFIDENT = 0.55
"""Siblings share what there is: an Indonesian question got 0.59 beside Malay, a Croatian one 0.64 beside Serbian. Of
597 real English prompts that are long enough, none was taken for anything else."""

_NO_PROSE = re.compile(
    r"```.*?(?:```|\Z)"  # code
    r"|`[^`\n]*`"
    r"|\$\$?[^$]{1,300}\$\$?|\\\[.*?\\\]|\\\(.*?\\\)|\\[a-zA-Z]+"  # LaTeX
    r"|\bhttps?://\S+"
    r"|\b\w+(?:[_./\\]\w+)+|\b\w+\([^()\n]{0,80}\)"  # paths, identifiers, calls
    r"|[\d_+*/=<>|^{}\[\]#~]+",
    re.DOTALL,
)
_ENGLISH = frozenset(
    "the what how why which where when who with your you that this from have does their would should could and".split()
)
"""Words of English that no other language in the Latin alphabet spells the same and uses often."""

_ALSO_ENGLISH = frozenset(
    "i a an to of for in on it is are was do can my me we he she be or as at by not but if so".split()
)

_TYPOGRAPHY = str.maketrans(dict.fromkeys("‘’“”–—…", "-"))

LEAST_ENGLISH = 3
"""Different ones of those words, one of the first kind: then it is English, and the classifier, 1 s and 100 MB to
load, is not needed. On 2,041 English prompts and openings of traces that it takes, the classifier agrees."""

_LETTER = re.compile(r"[^\W\d_]")
_UNPARTED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def language(text: str) -> str:
    """The ISO 639-1 code of a text's language; "en" where it is unsure, or mostly formulas, code or names."""
    return clear_language(text) or "en"


def clear_language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language, None where a reader could not be sure either."""
    return _clear_language(text[:LOOKED_AT])


@functools.lru_cache(maxsize=1024)  # a row's prompt and answer are asked about several times
def _clear_language(text: str) -> str | None:
    words = [word for word in _NO_PROSE.sub(" ", text).split() if _LETTER.search(word)]
    prose = " ".join(words)
    unparted = _UNPARTED.search(prose) is not None
    # One character of an unparted script says about as much as three letters of an alphabet.
    if len(prose) * (3 if unparted else 1) < LEAST_LETTERS or (len(words) < LEAST_WORDS and not unparted):
        return None
    if prose.translate(_TYPOGRAPHY).isascii() and _is_plainly_english(prose):
        return "en"
    code, confidence = _classifier()(prose)
    return code if confidence >= CONFIDENT else None


def _is_plainly_english(prose: str) -> bool:
    words = {word.strip(".,;:!?()'\"") for word in prose.lower().split()}
    sure = len(words & _ENGLISH)
    return sure > 0 and sure + len(words & _ALSO_ENGLISH) >= LEAST_ENGLISH


@functools.cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    # Loading takes 0.7 s, once in a process: it must not be on the way to `curate --help`.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # The rest are languages without an ISO 639-1 code; Nigerian Pidgin, for one, takes English questions.
    identifier.set_languages([code for code in identifier.labels if len(code) == 2])
    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return classify
