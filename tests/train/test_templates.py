"""Each family's real template: what the model is given, what it is taught to say, and what is refused."""

import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from exports.dataset import rows_of
from schemas.errors import TrainError
from schemas.release import Message, SftRow, StageSpan
from schemas.think import CLOSE, OPEN, join, offsets
from schemas.training import Recipe
from tests.release_rows import few, many
from tests.train.small_tokenizers import MODELS, own_tokenizer, shared_tokenizer, template
from train.proof import prove
from train.templates import MASKED, Encoded, Form, deal, encode, encode_rows, form_of

ROWS = rows_of([*few(), *many(2, 2)])
PLAIN = ROWS[3]
"""A row in plain ASCII."""
R1, QWEN3, QWQ = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "Qwen/Qwen3-8B", "Qwen/QwQ-32B"
S1, SMOLLM2, SMOLLM3 = "simplescaling/s1.1-7B", "HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM3-3B"
PHI, GPT_OSS, LLAMA = "microsoft/Phi-4-reasoning", "openai/gpt-oss-20b", "meta-llama/Llama-3.2-1B-Instruct"
QUESTION, REASONING, ANSWER = "What is 2 plus 5?", "A sum.\n\nIt hurts nobody.\n\nSeven.", "It is **7**."


def row_of(question: str, reasoning: str, answer: str, row_id: str = "d0.1") -> SftRow:
    content = join(reasoning, answer)
    start, answered = offsets(reasoning)
    spans = (
        StageSpan(name="reasoning", start=start, end=start + len(reasoning)),
        StageSpan(name="answer", start=answered, end=len(content)),
    )
    return PLAIN.model_copy(
        update={
            "id": row_id,
            "prompt": (Message(role="user", content=question),),
            "completion": (Message(role="assistant", content=content),),
            "spans": spans,
        }
    )


ROW = row_of(QUESTION, REASONING, ANSWER)


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def given_of(tokenizer: Any, one: Encoded) -> str:
    masked = one.labels.count(MASKED)
    return str(tokenizer.decode(one.input_ids[:masked]))


def said_of(tokenizer: Any, one: Encoded) -> str:
    masked = one.labels.count(MASKED)
    assert one.labels == [MASKED] * masked + one.input_ids[masked:]
    return str(tokenizer.decode(one.input_ids[masked:]))


def at_inference(tokenizer: Any, *messages: dict[str, str]) -> list[int]:
    return list(tokenizer.apply_chat_template(list(messages), add_generation_prompt=True)["input_ids"])


USER = {"role": "user", "content": QUESTION}
CHANNELS = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>"
EXPECTED = {
    "r1": ("<｜Assistant｜><think>\n", "{}\n</think>\n\n{}<｜end▁of▁sentence｜>"),
    "qwq": ("<|im_start|>assistant\n<think>\n", "{}\n</think>\n\n{}<|im_end|>"),
    "qwen3": ("<|im_start|>assistant\n", "<think>\n{}\n</think>\n\n{}<|im_end|>"),
    "smollm2": ("<|im_start|>assistant\n", "<think>\n{}\n</think>\n\n{}<|im_end|>"),
    "smollm3": ("<|im_start|>assistant\n", "<think>\n{}\n</think>\n{}<|im_end|>"),
    "s1": ("<|im_start|>assistant\n", "<|im_start|>think\n{}\n<|im_start|>answer\n{}<|im_end|>"),
    "phi-4-reasoning": ("<|im_start|>assistant<|im_sep|>", "<think>\n{}\n</think>\n\n{}<|im_end|>"),
    "gpt-oss": ("<|start|>assistant", CHANNELS),
    "generic": ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<think>\n{}\n</think>\n\n{}<|eot_id|>"),
}
"""By family: what the prompt ends with, and all that is then said."""


def test_a_family_is_known_by_its_template_and_says_all_that_it_says_itself(
    tokenizer: Any, model: str, form: Form
) -> None:
    ending, said = EXPECTED[MODELS[model].family]
    one = encode(tokenizer, ROW, form)
    assert form.family == MODELS[model].family
    assert given_of(tokenizer, one).endswith(ending)
    assert said_of(tokenizer, one) == said.format(REASONING, ANSWER)
    assert one.input_ids[-1] == form.stop_id == tokenizer.convert_tokens_to_ids(form.stop) == tokenizer.eos_token_id


def test_the_prompt_is_what_the_model_is_given_at_inference(tokenizer: Any, form: Form) -> None:
    for row in ROWS:
        masked = (one := encode(tokenizer, row, form)).labels.count(MASKED)
        messages = [message.model_dump() for message in row.prompt]
        # A dated template: as it is rendered on the row's own day.
        dated = {"chat_template": form.template, **_dates(tokenizer, one, form)} if form.template else {}
        told = tokenizer.apply_chat_template(messages, add_generation_prompt=True, **dated)["input_ids"]
        assert one.input_ids[:masked] == list(told)


def _dates(tokenizer: Any, one: Encoded, form: Form) -> dict[str, str]:
    text = given_of(tokenizer, one)
    days = (datetime.date(2026, 1, 1) + datetime.timedelta(days=number) for number in range(365))
    day = next(day for day in days if all(day.strftime(written) in text for written in form.date_formats))
    return {f"date_of_the_row_{at}": day.strftime(written) for at, written in enumerate(form.date_formats)}


def test_no_token_stands_across_the_border_and_a_text_begins_once(tokenizer: Any, form: Form) -> None:
    for row in ROWS:
        one = encode(tokenizer, row, form)
        masked = one.labels.count(MASKED)
        said = said_of(tokenizer, one)
        assert tokenizer(said, add_special_tokens=False)["input_ids"] == one.input_ids[masked:]
        if tokenizer.bos_token != "<|im_start|>":
            assert one.input_ids.count(tokenizer.bos_token_id) == (BEGINNINGS[form.family])


BEGINNINGS = {family: 0 for family in EXPECTED} | {"r1": 1, "generic": 1}
"""How often the token that begins a text stands in a row: these two templates write it, and their tokenizers too."""


def test_a_system_prompt_is_where_the_template_puts_it_and_is_not_trained(
    tokenizer: Any, model: str, form: Form
) -> None:
    if model == PHI:
        with pytest.raises(TrainError, match=r"d0\.1: the chat template does not write the system prompt out"):
            encode(tokenizer, ROW, form, "Be kind.")
        return
    one = encode(tokenizer, ROW, form, "Be kind.")
    assert "Be kind." in given_of(tokenizer, one)
    assert said_of(tokenizer, one) == said_of(tokenizer, encode(tokenizer, ROW, form))
    if not form.template:
        told = at_inference(tokenizer, {"role": "system", "content": "Be kind."}, USER)
        assert one.input_ids[: len(told)] == told


def test_r1_templates_cut_the_reasoning_that_is_trained_here() -> None:
    tokenizer = shared_tokenizer(R1)
    turn = [USER, {"role": "assistant", "content": join(REASONING, ANSWER)}]
    assert REASONING not in tokenizer.apply_chat_template(turn, tokenize=False)
    assert REASONING in said_of(tokenizer, encode(tokenizer, ROW, form_of(tokenizer, R1)))


@pytest.mark.parametrize("model", [R1, QWQ])
def test_an_opening_tag_that_the_prompt_holds_is_not_trained(model: str) -> None:
    tokenizer = shared_tokenizer(model)
    one = encode(tokenizer, ROW, form_of(tokenizer, model))
    assert OPEN not in said_of(tokenizer, one)
    assert given_of(tokenizer, one).endswith(f"{OPEN}\n")


@pytest.mark.parametrize("ending", ["<think>", "<think>\n\n"])
def test_an_opening_tag_is_made_up_to_a_line_of_its_own(ending: str) -> None:
    tokenizer = own_tokenizer(QWQ)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("<think>\\n' }}", f"{ending!r}"[1:-1] + "' }}")
    one = encode(tokenizer, ROW, form_of(tokenizer, QWQ))
    assert given_of(tokenizer, one).endswith(ending)
    assert said_of(tokenizer, one).startswith(f"\n{REASONING}" if ending == OPEN else REASONING)


def test_a_changed_comment_changes_nothing(tokenizer: Any, model: str, form: Form) -> None:
    changed = own_tokenizer(model)
    changed.chat_template = "{# a comment #}" + str(changed.chat_template)
    again = form_of(changed, model)
    assert again._replace(template=form.template) == form
    assert encode(changed, ROW, again) == encode(tokenizer, ROW, form)


def test_qwen3_thinks_unless_the_row_itself_has_nothing_to_think() -> None:
    tokenizer = shared_tokenizer(QWEN3)
    form = form_of(tokenizer, QWEN3)
    assert f"{OPEN}\n\n{CLOSE}" not in said_of(tokenizer, encode(tokenizer, ROW, form))
    empty = encode(tokenizer, row_of(QUESTION, "", ANSWER), form)
    assert said_of(tokenizer, empty) == f"{OPEN}\n\n{CLOSE}\n\n{ANSWER}<|im_end|>"


def test_tags_that_are_ordinary_text_are_trained_as_such() -> None:
    tokenizer = shared_tokenizer(SMOLLM2)
    assert len(tokenizer(CLOSE, add_special_tokens=False)["input_ids"]) > 1
    asked = row_of(f"What does {OPEN} mean?", REASONING, ANSWER)
    assert OPEN in given_of(tokenizer, encode(tokenizer, asked, form_of(tokenizer, SMOLLM2)))


def test_dated_templates_have_a_day_by_row_that_no_clock_changes() -> None:
    for model in (GPT_OSS, SMOLLM3, LLAMA):
        tokenizer = shared_tokenizer(model)
        form = form_of(tokenizer, model)
        days = {
            given_of(tokenizer, encode(tokenizer, row_of(QUESTION, "A sum.", "7", f"d{n}.1"), form)) for n in range(9)
        }
        assert len(days) > 1
        assert datetime.date.today().strftime(form.date_formats[0]) in tokenizer.apply_chat_template(
            [USER], tokenize=False
        )


def test_a_date_that_cannot_be_held_still_is_refused() -> None:
    tokenizer = own_tokenizer(SMOLLM3)
    tokenizer.chat_template = str(tokenizer.chat_template).replace(
        'strftime_now("%d %B %Y")', 'strftime_now("%d" ~ "%B")'
    )
    with pytest.raises(TrainError, match="today's date in a way that cannot be held still"):
        form_of(tokenizer, SMOLLM3)


def test_system_prompts_are_dealt_by_the_rows_id_alone() -> None:
    tokenizer = shared_tokenizer(R1)
    systems = ("Be kind.", "Be brief.", "")
    encoded = encode_rows(tokenizer, ROWS, form_of(tokenizer, R1), systems)
    assert {one.system for one in encoded} == set(systems)
    assert encode_rows(tokenizer, ROWS[::-1], form_of(tokenizer, R1), systems) == encoded[::-1]
    assert deal((), "d0.1") == ""


def test_s1_is_told_by_its_name_and_another_qwen_is_generic() -> None:
    tokenizer = shared_tokenizer(S1)
    for name in ("simplescaling/s1-32B", "models/s1.1-14B", "s1", "C:\\models\\s1-7B"):
        assert form_of(tokenizer, name).family == "s1"
    for name in ("Qwen/Qwen2.5-7B-Instruct", "org/phys1", "org/s10-7B"):
        assert form_of(tokenizer, name).family == "generic"


def test_a_template_that_may_close_the_thinking_is_refused() -> None:
    tokenizer = own_tokenizer(QWEN3)
    tokenizer.chat_template = template("qwen3_5_nothink")
    with pytest.raises(TrainError, match="ends the thinking before the model can begin it"):
        form_of(tokenizer, QWEN3)
    tokenizer = shared_tokenizer(SMOLLM3)
    with pytest.raises(TrainError, match=r"d0\.1: the chat template does not write its prompt out"):
        encode(tokenizer, ROW, form_of(tokenizer, SMOLLM3), "Be kind. /no_think")


def test_a_model_without_chat_template_is_refused_with_what_helps() -> None:
    tokenizer = own_tokenizer(R1)
    tokenizer.chat_template = None
    with pytest.raises(TrainError, match=r"org/base has no chat template.*set chat_template") as refused:
        form_of(tokenizer, "org/base")
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 8


def test_a_template_that_fails_or_drops_the_question_is_refused() -> None:
    tokenizer = own_tokenizer(R1)
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(TrainError, match=r"chat template of org/x cannot be rendered: no"):
        form_of(tokenizer, "org/x")
    cutting = str(shared_tokenizer(R1).chat_template).replace("message['content']", "message['content'].split('|')[0]")
    tokenizer.chat_template = cutting
    with pytest.raises(TrainError, match=r"d0\.1: the chat template does not write its prompt out"):
        encode(tokenizer, row_of("What is 2|3?", REASONING, ANSWER), form_of(tokenizer, R1))
    tokenizer.chat_template = "{{ bos_token }}<｜Assistant｜>"
    with pytest.raises(TrainError, match="does not write out what it is given"):
        form_of(tokenizer, "org/x")


def test_whatever_a_template_raises_is_one_line_that_names_the_model_or_the_row() -> None:
    tokenizer = own_tokenizer(R1)
    rendering = str(tokenizer.chat_template)
    tokenizer.chat_template = "{{ 1 // 0 }}"
    with pytest.raises(TrainError, match=r"chat template of org/x cannot be rendered: .*ZeroDivisionError"):
        form_of(tokenizer, "org/x")
    tokenizer.chat_template = "{% if '2 plus' in messages[0].content %}{{ 1 // 0 }}{% endif %}" + rendering
    form = form_of(tokenizer, R1)
    with pytest.raises(TrainError, match=r"1 of 1 rows .* d0\.1: the chat template cannot be rendered"):
        encode_rows(tokenizer, [ROW], form)


def test_only_the_default_of_several_named_templates_is_taken() -> None:
    tokenizer = own_tokenizer(R1)
    rendering = tokenizer.chat_template
    tokenizer.chat_template = {"tool_use": rendering, "rag": rendering}
    with pytest.raises(TrainError, match=r"org/x has no chat template that is the default one \(it has: tool_use, rag"):
        form_of(tokenizer, "org/x")
    tokenizer.chat_template = {"tool_use": "{{ 1 // 0 }}", "default": rendering}
    assert form_of(tokenizer, R1).family == "r1"


def test_an_eos_that_is_not_the_templates_stop_token_is_refused_unless_inference_stops_at_both() -> None:
    tokenizer = own_tokenizer(QWEN3)
    tokenizer.eos_token = "<|endoftext|>"
    with pytest.raises(
        TrainError, match=r"ends an answer with '<\|im_end\|>', but inference stops at '<\|endoftext\|>'"
    ):
        form_of(tokenizer, QWEN3)
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert form_of(tokenizer, QWEN3, stops=[tokenizer.eos_token_id, stop]).stop_id == stop


def test_an_answer_that_ends_with_no_token_of_its_own_is_refused() -> None:
    tokenizer = own_tokenizer(QWEN3)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    with pytest.raises(TrainError, match="could not be taught where to stop"):
        form_of(tokenizer, "org/plain")


def test_a_tokenizer_that_does_not_know_the_templates_marks_is_refused() -> None:
    """As tokenizers are that are made from a GGUF file of an R1 distill."""
    tokenizer = own_tokenizer(LLAMA)
    tokenizer.add_special_tokens({"eos_token": "<｜end▁of▁sentence｜>"})
    tokenizer.chat_template = template("deepseek_r1_distill")
    with pytest.raises(TrainError, match=r"'<｜User｜>' .* is not one token of its tokenizer, as happens with .* GGUF"):
        form_of(tokenizer, R1)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<｜User｜>", "<｜Assistant｜>"]})
    with pytest.raises(TrainError, match=f"'{OPEN}' .* is not one token"):
        form_of(tokenizer, R1)


def test_a_mark_inside_a_text_is_refused_by_row_and_place(tokenizer: Any, form: Form) -> None:
    for mark in (form.stop, *MARKS[form.family]):
        for place, row in {
            "prompt": row_of(f"What is {mark}?", REASONING, ANSWER, "d7.1"),
            "reasoning": row_of(QUESTION, f"It is {mark}.", ANSWER, "d7.1"),
            "answer": row_of(QUESTION, REASONING, f"It is {mark}.", "d7.1"),
        }.items():
            with pytest.raises(TrainError, match=rf"d7\.1: its {place} holds") as refused:
                encode(tokenizer, row, form)
            assert repr(mark) in str(refused.value)
    with pytest.raises(TrainError, match=r"d0\.1: its system prompt holds"):
        encode(tokenizer, ROW, form, f"Never say {form.stop}")


MARKS: dict[str, tuple[str, ...]] = {family: () for family in EXPECTED} | {
    "r1": ("<｜User｜>",),
    "qwen3": ("<tool_call>", "<|im_start|>"),
    "gpt-oss": ("<|channel|>", "<|end|>"),
    "smollm2": ("<filename>",),
}


def test_a_special_token_is_no_text_whatever_it_looks_like() -> None:
    tokenizer = own_tokenizer(R1)
    tokenizer.add_special_tokens({"additional_special_tokens": ["ENDOFTEXT"]})
    tokenizer.add_tokens(["timetable"])
    form = form_of(tokenizer, R1)
    encode(tokenizer, row_of("Read the timetable.", REASONING, ANSWER), form)
    with pytest.raises(TrainError, match=r"d0\.1: its prompt holds 'ENDOFTEXT'"):
        encode(tokenizer, row_of("What is ENDOFTEXT?", REASONING, ANSWER), form)


def test_a_tag_in_a_prompt_is_refused_where_it_is_a_token() -> None:
    tokenizer = shared_tokenizer(R1)
    with pytest.raises(TrainError, match=rf"d0\.1: its prompt holds '{CLOSE}'"):
        encode(tokenizer, row_of(f"Say {CLOSE}", REASONING, ANSWER), form_of(tokenizer, R1))


def test_every_faulty_row_is_named_in_one_line() -> None:
    tokenizer = shared_tokenizer(R1)
    bad = [row_of(f"<｜User｜> {n}", REASONING, ANSWER, f"d{n}.1") for n in range(30)]
    with pytest.raises(TrainError, match=r"^30 of 31 rows cannot be trained: d0\.1: .*d19\.1: .*; and 10 more$"):
        encode_rows(tokenizer, [ROW.model_copy(update={"id": "good.1"}), *bad], form_of(tokenizer, R1))


def test_rows_of_another_shape_are_refused() -> None:
    tokenizer = shared_tokenizer(R1)
    form = form_of(tokenizer, R1)
    user = Message(role="user", content=QUESTION)

    def completed(content: str) -> SftRow:
        return ROW.model_copy(update={"completion": (Message(role="assistant", content=content),)})

    for row, told in (
        (ROW.model_copy(update={"prompt": (Message(role="system", content="Hi."), user)}), "not one user message"),
        (ROW.model_copy(update={"prompt": (user, user)}), "not one user message"),
        (completed(ANSWER), "is not laid out as"),
        (completed(join(REASONING, ANSWER).removeprefix(f"{OPEN}\n")), "is not laid out as"),
        (completed(join(REASONING, " \n")), "has no answer"),
        (row_of("\ud800", REASONING, ANSWER), "its prompt holds half a surrogate pair"),
    ):
        with pytest.raises(TrainError, match=rf"d0\.1: .*{told}"):
            encode(tokenizer, row, form)


MARKS_AS_TEXT = "<|im_end|> </think> <｜User｜> <|return|".split()
AWKWARD = (" \n\t", "\r\n", "e\u0301", "\u2126", "\u0958", "\0", "\ufeff")
TEXTS = st.lists(st.text(max_size=60) | st.sampled_from((*MARKS_AS_TEXT, *AWKWARD)), max_size=4).map("".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(question=TEXTS, reasoning=TEXTS, answer=TEXTS)
def test_any_text_is_read_back_as_it_was_or_refused(
    tokenizer: Any, form: Form, question: str, reasoning: str, answer: str
) -> None:
    assume(not any(mark in text for mark in (OPEN, CLOSE) for text in (reasoning, answer)))
    row = row_of(question, reasoning, answer)
    if form.control_texts.search("\n".join((question, reasoning, answer))) or not answer.strip():
        with pytest.raises(TrainError, match=r"^d0\.1: "):
            encode(tokenizer, row, form)
        return
    one = encode(tokenizer, row, form)
    proof = prove(tokenizer, form, [row], [one], Recipe(max_tokens=10_000))
    written = tokenizer.backend_tokenizer.normalizer.normalize_str if tokenizer.backend_tokenizer.normalizer else str
    before, between, after = EXPECTED[form.family][1].split("{}")
    assert said_of(tokenizer, one) == f"{before}{written(reasoning)}{between}{written(answer)}{after}"
    assert written(question.strip()) in given_of(tokenizer, one)
    assert proof.normalized == ((written(reasoning), written(answer)) != (reasoning, answer))
