"""What a reply's bytes are taken for."""

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from curation.reply import Completion, Rejection, judge, one_line, parse, read_completion, read_rejection, strict_schema


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: Literal["harmful", "benign"]
    reason: str


GOOD = '{"verdict": "benign", "reason": "it asks about bread"}'


def of(content: str, finish: str = "stop", refusal: str | None = None) -> Completion:
    return Completion(tokens_in=1, tokens_out=1, content=content, finish=finish, refusal=refusal)


def served(**message: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n```\n{GOOD}\n```\nAnything else?",
        f"The verdict is as follows: {GOOD} I hope that helps.",
        f'<think>\nIs it {{"verdict": "harmful", "reason": "no"}}?\n</think>\n\n{GOOD}',
        f'{{"thought": 1}} and so {GOOD}',
        f"{{ not json }} {GOOD}",
    ],
)
def test_the_object_is_found_wherever_it_stands(text: str) -> None:
    assert parse(text, Verdict) == Verdict(verdict="benign", reason="it asks about bread")


@pytest.mark.parametrize("text", ["", "none", "[1, 2]", "{" * 100_000, '{"a":' * 100_000, '{"verdict": "maybe"}'])
def test_what_holds_no_such_object_is_a_value_error_of_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{1,400}$"):
        parse(text, Verdict)


def test_the_problem_names_the_field_and_not_what_the_reply_said() -> None:
    with pytest.raises(ValueError, match="verdict: Input should be 'harmful' or 'benign'") as caught:
        parse('{"verdict": "zebra", "reason": ""}', Verdict)
    assert "zebra" not in str(caught.value)


def test_a_strict_schema_requires_every_field_and_forbids_others() -> None:
    class Inner(BaseModel):
        title: str = "none"

    class Outer(BaseModel):
        inner: Inner
        many: list[Inner] = []

    schema = strict_schema(Outer)
    assert schema["required"] == ["inner", "many"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Inner"] == {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (of(GOOD), "ok"),
        (of(GOOD, finish="length"), "ok"),  # it satisfies the schema, so nothing is missing
        (of(GOOD[:20], finish="length"), "cut"),
        (of("", finish="length"), "cut"),
        (of("  \n"), "empty"),
        (of(GOOD[:20]), "invalid"),
        (of("The request is benign."), "invalid"),
        (of("I'm sorry, but I can't help with that."), "refused"),
        (of('{"verdict": "I can\'t help with that'), "invalid"),
        (of("", refusal="I can't assist with that."), "refused"),
        (of(GOOD, finish="content_filter"), "filtered"),
    ],
)
def test_a_reply_to_a_schema_is_judged(completion: Completion, outcome: str) -> None:
    assert judge(completion, Verdict)[0] == outcome


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (of("I'm sorry, but I can't help with that."), "ok"),  # as an original answer this is data
        (of("Bread rises because", finish="length"), "cut"),
        (of(""), "empty"),
        (of("", refusal="I can't assist with that."), "refused"),
    ],
)
def test_a_free_text_is_judged(completion: Completion, outcome: str) -> None:
    assert judge(completion, None)[0] == outcome


def test_what_the_server_does_not_count_is_estimated_at_four_characters_a_token() -> None:
    assert read_completion(served(content="x" * 400), 77) == of("x" * 400)._replace(tokens_in=77, tokens_out=101)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_is_sent_apart_is_kept_apart(field: str) -> None:
    completion = read_completion(served(content="yes", **{field: "hm"}), 1)
    assert isinstance(completion, Completion)
    assert (completion.content, completion.reasoning) == ("yes", "hm")


def test_a_lone_surrogate_does_not_reach_the_ledger() -> None:
    completion = read_completion(served(content="a\ud800b"), 1)
    assert isinstance(completion, Completion)
    assert completion.content == "a?b"


def test_an_error_under_a_200_is_an_error() -> None:
    body = b'{"error": {"code": 429, "message": "upstream is busy"}}'
    assert read_completion(body, 1) == Rejection(429, "429 upstream is busy")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": "no"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_completion_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_completion(body, 1)


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "The response was filtered", "content_filter"),
        (400, "Your request was rejected by the content management policy", None),
        (400, "Content Exists Risk", None),
        (400, "Invalid prompt: your prompt was flagged", "invalid_prompt"),
        (403, "This model requires moderation and your input was flagged", None),
        (400, "Input data may contain inappropriate content.", "data_inspection_failed"),
    ],
)
def test_moderation_is_recognised_in_the_words_of_several_providers(
    status: int, message: str, code: str | None
) -> None:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    assert read_rejection(status, body).moderated


def test_a_prompt_that_a_server_echoes_is_not_taken_for_its_own_words() -> None:
    detail = [{"loc": ["body", "seed"], "msg": "extra field", "input": "what does a content_filter do?"}]
    rejection = read_rejection(422, json.dumps({"detail": detail}).encode())
    assert not rejection.moderated
    assert "extra field" in rejection.text


def test_what_is_shown_of_a_reply_is_one_line_without_escapes() -> None:
    assert (
        one_line("\x1b[31mred\x1b[0m\r\nnext\u202etxet " + "x" * 300, 40) == "[31mred [0m next txet " + "x" * 17 + "…"
    )


def test_a_lone_surrogate_spelled_in_json_does_not_come_through() -> None:
    value = parse('Sure: {"verdict": "benign", "reason": "half \\ud800 a pair"}', Verdict)
    assert value.reason.encode("utf-8")
    value = parse('{"verdict": "benign", "reason": "half \\ud800 a pair"}', Verdict)
    assert value.reason.encode("utf-8")
