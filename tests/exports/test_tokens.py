from pathlib import Path

import pytest

from exports.tokens import token_counter
from schemas.errors import UsageError


def test_four_characters_count_as_a_token() -> None:
    count = token_counter("characters")
    assert [count(text) for text in ("", "abc", "abcd", "a" * 8195)] == [0, 0, 1, 2048]


def test_a_tokenizer_counts_its_own_tokens_without_special_ones(tmp_path: Path) -> None:
    from tests.exports.small_tokenizer import small_tokenizer

    tokenizer = small_tokenizer("r1", ["How do I bake a bread?"] * 3)
    tokenizer.save_pretrained(tmp_path)
    text = "How do I bake a bread?"
    plain = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert len(tokenizer(text)["input_ids"]) == len(plain) + 1  # it begins texts with a token of its own
    assert token_counter(str(tmp_path))(text) == len(plain)
    assert token_counter(str(tmp_path))("bread " * 20_000) > 16384  # longer than its models take: no warning, no cut


def test_a_tokenizer_that_is_broken_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", "utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}', "utf-8")
    with pytest.raises(UsageError, match=r"^release\.tokenizer: [^\n]+$"):
        token_counter(str(tmp_path))
