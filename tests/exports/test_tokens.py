from pathlib import Path

import pytest

from exports.tokens import token_counter
from schemas.errors import UsageError
from tests.hub_server import HubServer, error, once, python


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


def test_code_that_lies_beside_a_tokenizer_is_never_run_nor_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "yes")
    (tmp_path / "config.json").write_text('{"model_type": "nobodys"}', "utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["theirs.Theirs", null]}}', "utf-8")
    (tmp_path / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Theirs: pass\n", "utf-8")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(UsageError, match="cannot be loaded"):
        token_counter(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_retries_of_a_hub_in_trouble_are_no_lines_on_the_terminal(tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.fault = once("HEAD", "/resolve/", error(503))
        count = "from exports.tokens import token_counter\ntoken_counter('ours/none')"
        asking = python(hub, tmp_path / "home", count)
        _, err = asking.communicate(timeout=100)
        assert len([asked for asked in hub.asked if asked.method == "HEAD"]) > 1, "it did try again"
    assert "release.tokenizer: 'ours/none' cannot be loaded" in err
    assert "Retry" not in err
    assert "thrown while" not in err
