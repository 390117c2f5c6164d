"""How long a row is, in tokens: of a named tokenizer, or four characters each."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from schemas.errors import UsageError

CHARACTERS = "characters"
"""The name that stands for no tokenizer at all."""

_CHARACTERS_A_TOKEN = 4
"""English prose has about that many under every backbone's tokenizer; `curate generate` flags long rows by it too."""


def token_counter(name: str) -> Callable[[str], int]:
    """What counts the tokens of a text, special tokens not among them.

    `name` is `characters` or a tokenizer of the Hub, which is taken from the local cache where it is there.
    Raises UsageError where it cannot be had.
    """
    if name == CHARACTERS:
        return lambda text: len(text) // _CHARACTERS_A_TOKEN
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise UsageError(
            f"release.tokenizer: {name!r} needs `pip install 'alttrain[train]'`; or name {CHARACTERS!r}"
        ) from None
    try:
        # None, the default, would ask at the terminal whether to run code that lies beside the tokenizer.
        load = partial(AutoTokenizer.from_pretrained, name, trust_remote_code=False)
        try:
            tokenizer = load(local_files_only=True)
        except (OSError, ValueError):
            with _no_line_per_retry():
                tokenizer = load()
    except Exception as error:
        # What a foreign tokenizer file raises is anything: each library behind this has errors of its own.
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(
            f"release.tokenizer: {name!r} cannot be loaded ({first}); name one of the Hub, or {CHARACTERS!r}"
        ) from None

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    return count


@contextmanager
def _no_line_per_retry() -> Iterator[None]:
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
