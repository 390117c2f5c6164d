"""Answers in batches are those that prompts get one by one, in fp32 on a model with random weights."""

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.think import CLOSE, OPEN
from tests.train.tiny import save_model
from train.answering import answer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PROMPTS = [[7, 8, 9], [11, 12, 13, 14, 15, 16, 17], [20], [31, 32, 33, 34]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(save_model(tmp_path_factory.mktemp("models") / "tiny"))
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def told(loaded: tuple[Any, Any], prompts: list[list[int]], batch: int, **options: Any) -> list[tuple[int, ...]]:
    stops = options.pop("stops", [])
    return [one.ids for one in answer(*loaded, prompts, stops, 12, batch, **options)]


def test_a_batch_says_what_each_prompt_is_told_alone(loaded: tuple[Any, Any]) -> None:
    alone = [told(loaded, [prompt], 1)[0] for prompt in PROMPTS]
    assert told(loaded, PROMPTS, 4) == alone
    assert told(loaded, PROMPTS, 3) == alone
    assert len(set(alone)) > 1


def test_an_answer_ends_at_its_stop_token_and_the_others_go_on(loaded: tuple[Any, Any]) -> None:
    whole = told(loaded, PROMPTS, 4)
    stop = whole[1][3]
    cut = answer(*loaded, PROMPTS, [stop], 12, 4)
    for one, ids in zip(cut, whole, strict=True):
        ends = ids.index(stop) + 1 if stop in ids else len(ids)
        assert one.ids == ids[:ends]
        assert one.stopped == (stop in ids)
        assert one.new_tokens == ends


def test_what_a_prompt_draws_does_not_hang_on_the_others_in_its_batch(loaded: tuple[Any, Any]) -> None:
    drawn = told(loaded, PROMPTS, 4, temperature=1.0, seed=3)
    assert drawn == told(loaded, PROMPTS, 1, temperature=1.0, seed=3)
    assert drawn != told(loaded, PROMPTS, 4, temperature=1.0, seed=4)


def test_progress_is_told_until_all_are_done_and_wrong_counts_are_refused(loaded: tuple[Any, Any]) -> None:
    seen: list[int] = []
    answer(*loaded, PROMPTS, [], 2, 3, seen.append)
    assert seen == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="max_new_tokens"):
        answer(*loaded, PROMPTS, [], 0, 3)


class Scripted:
    """A model that says the same tokens to every prompt."""

    def __init__(self, config: Any, script: list[int]) -> None:
        import torch

        self.config, self.script, self.device, self.training = config, script, torch.device("cpu"), True

    def __call__(self, input_ids: Any, attention_mask: Any, **_: Any) -> Any:
        import torch

        said = attention_mask.shape[1] - PROMPT_TOKENS
        logits = torch.zeros(len(input_ids), 1, self.config.vocab_size)
        logits[:, :, self.script[said]] = 1
        return SimpleNamespace(logits=logits)

    def eval(self) -> None:
        self.training = False

    def train(self, mode: bool) -> None:
        self.training = mode


PROMPT_TOKENS = 3


def test_marks_of_thinking_are_shown_even_as_special_tokens_and_others_are_not(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [OPEN, CLOSE]})
    stop = tokenizer.eos_token_id
    word = tokenizer("A", add_special_tokens=False).input_ids
    script = [*tokenizer.convert_tokens_to_ids([OPEN, CLOSE]), *word, stop]
    assert set(script) - set(word) <= set(tokenizer.all_special_ids)
    scripted: Any = Scripted(model.config, script)
    (said,) = answer(scripted, tokenizer, [[5, 6, 7]], [stop], 12, 1)
    assert (said.text, said.stopped, said.new_tokens) == (f"{OPEN}{CLOSE}A", True, len(script))
    assert scripted.training
