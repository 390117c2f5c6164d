"""What is trained is read back from the labels; each way to get it wrong is seen once."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from exports.dataset import rows_of
from schemas.errors import TrainError
from schemas.release import Message, SftRow, StageSpan
from schemas.training import Proof, Recipe
from tests.release_rows import few, many
from tests.train.small_tokenizers import MODELS, own_tokenizer, shared_tokenizer
from train.proof import packed, prove, steps_of
from train.templates import MASKED, Encoded, Form, encode, encode_rows, form_of

R1, QWEN3, S1 = "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "Qwen/Qwen3-8B", "simplescaling/s1.1-7B"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
ROWS = rows_of([*few(), *many(3, 4)])
RECIPE = Recipe(max_tokens=2048)


@pytest.fixture(params=[R1, QWEN3, S1])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def proven(tokenizer: Any, form: Form, encoded: Sequence[Encoded], rows: Sequence[SftRow] = ROWS) -> Proof:
    return prove(tokenizer, form, rows, encoded, RECIPE)


def with_second(encoded: list[Encoded], **changes: Any) -> list[Encoded]:
    return [encoded[0], encoded[1]._replace(**changes), *encoded[2:]]


@pytest.mark.parametrize("model", list(MODELS))
def test_rows_of_every_family_are_proven_and_counted(tokenizer: Any, form: Form, model: str) -> None:
    encoded = encode_rows(tokenizer, ROWS, form, ["Be kind."] if model != "microsoft/Phi-4-reasoning" else [])
    proof = prove(tokenizer, form, ROWS, encoded, Recipe(epochs=3, batch_rows=4))
    trained = {one.id: [label for label in one.labels if label != MASKED] for one in encoded}
    assert (proof.family, proof.stop) == (MODELS[model].family, form.stop)
    assert proof.rows == len(ROWS) == 15
    assert proof.rows_by_label == {"harmful": 8, "benign": 7}
    assert proof.tokens == sum(len(one.input_ids) for one in encoded)
    assert proof.trained_tokens == sum(map(len, trained.values())) == proof.tokens - proof.masked_tokens
    assert proof.trained_by_label == {
        label: sum(len(trained[row.id]) for row in ROWS if row.label == label) for label in ("harmful", "benign")
    }
    assert proof.longest.tokens == max(len(one.input_ids) for one in encoded)
    assert proof.longest.id == max(encoded, key=lambda one: len(one.input_ids)).id
    assert proof.steps == 3 * 4
    assert proof.tokens_a_step == 3 * proof.tokens / 12
    # One completion, and some prompts, hold an accent that stands by itself.
    assert proof.normalized == int(MODELS[model].nfc)


def test_what_another_recipe_trains_is_no_proof(tokenizer: Any, form: Form) -> None:
    """Each is a mistake that a trainer could make of itself, with no error."""
    encoded = encode_rows(tokenizer, ROWS, form)
    one = encoded[1]
    ids, labels, masked = one.input_ids, one.labels, one.labels.count(MASKED)
    plain = tokenizer("A", add_special_tokens=False)["input_ids"]
    cases: tuple[tuple[list[int], list[int]], ...] = (
        (ids, list(ids)),  # the prompt is trained
        (ids, [*labels[: masked - 1], *ids[masked - 1 :]]),  # one token of the prompt is trained
        (ids, [*labels[:masked], MASKED, *labels[masked + 1 :]]),  # the first word is not trained
        (ids, [*labels[:-1], MASKED]),  # the stop token is not trained
        (ids[:-1], labels[:-1]),  # the stop token is missing
        (ids[:-9], labels[:-9]),  # the answer is cut off
        ([*ids, form.stop_id], [*labels, form.stop_id]),  # the stop token stands twice
        (ids + plain, labels + plain),  # something follows the stop token
        ([*ids[:-2], *plain, ids[-1]], [*labels[:-2], *plain, ids[-1]]),  # another word is trained
        (ids, [*labels[:-2], *plain, labels[-1]]),  # labels of other tokens
        (ids, labels[1:]),  # labels too few
        (ids, [MASKED] * len(ids)),  # nothing is trained
        (encoded[2].input_ids, encoded[2].labels),  # another row's text
        ([], []),  # no text at all
    )
    for changed_ids, changed_labels in cases:
        with pytest.raises(TrainError, match=f"^1 of 15 rows cannot be trained: {one.id}: "):
            proven(tokenizer, form, with_second(encoded, input_ids=changed_ids, labels=changed_labels))
    proven(tokenizer, form, encoded)


def test_every_way_to_lose_a_part_is_told_apart(tokenizer: Any, form: Form) -> None:
    encoded = encode_rows(tokenizer, ROWS, form)
    row, one = ROWS[3], encoded[3]
    masked = one.labels.count(MASKED)
    prompt, said = one.input_ids[:masked], str(tokenizer.decode(one.input_ids[masked:]))
    for changed, told in (
        (said.replace(" timetable", ""), "its reasoning is altered by the tokenizer, ' timetable"),
        (said.replace("**Six**", "Six"), "its answer is altered by the tokenizer, '\\*\\*Six"),
        (said.replace(form.between, form.between.strip("\n")), "is not laid out as"),
        (said.removeprefix(form.opening.rstrip("\n")), "is not laid out as|reads a part")
        if form.opening
        else (said + "x", "end with"),
        (said.removesuffix(form.stop) + "<|im_start|>" + form.stop, "reads a part of its completion as a mark|altered"),
    ):
        ids = tokenizer(changed, add_special_tokens=False)["input_ids"]
        broken = [*encoded[:3], one._replace(input_ids=prompt + ids, labels=[MASKED] * masked + ids), *encoded[4:]]
        with pytest.raises(TrainError, match=f"{row.id}: .*({told})"):
            proven(tokenizer, form, broken)


def test_an_opening_tag_that_is_ordinary_text_is_missed_too() -> None:
    tokenizer = shared_tokenizer(SMOLLM2)
    form = form_of(tokenizer, SMOLLM2)
    encoded = encode_rows(tokenizer, ROWS, form)
    masked = encoded[1].labels.count(MASKED)
    prompt, said = encoded[1].input_ids[:masked], str(tokenizer.decode(encoded[1].input_ids[masked:]))
    ids = tokenizer(said.removeprefix(form.opening), add_special_tokens=False)["input_ids"]
    with pytest.raises(TrainError, match=f"{ROWS[1].id}: what is trained is not laid out as"):
        proven(tokenizer, form, with_second(encoded, input_ids=prompt + ids, labels=[MASKED] * masked + ids))


def test_a_prompt_under_another_system_prompt_is_not_the_one_of_inference(tokenizer: Any, form: Form) -> None:
    encoded = encode_rows(tokenizer, ROWS, form, ["Be kind."])
    with pytest.raises(TrainError, match=f"{ROWS[1].id}: its prompt is not what the model is given at inference"):
        proven(tokenizer, form, with_second(encoded, system="Be brief."))
    with pytest.raises(TrainError, match=r"^15 of 15 rows cannot be trained"):
        proven(tokenizer, form, [one._replace(system="") for one in encoded])


def test_a_mark_that_slipped_through_is_found_in_the_tokens(tokenizer: Any, form: Form) -> None:
    blind = form._replace(control_texts=re.compile("(?!)"))
    asked = _changed(ROWS[3], prompt=f"What is {form.stop}?")
    with pytest.raises(TrainError, match=f"{asked.id}: the tokenizer reads a part of its prompt as a mark"):
        proven(tokenizer, blind, [encode(tokenizer, asked, blind)], [asked])
    content = ROWS[3].completion[0].content
    other = next(token for token in tokenizer.all_special_tokens if token != form.stop)
    for old in ("Six trains", "**Six**"):
        for mark, told in ((form.stop, "what is trained does not end with"), (other, "reads a part of its completion")):
            said = _changed(ROWS[3], completion=content.replace(old, mark))
            with pytest.raises(TrainError, match=f"{said.id}: .*{told}"):
                proven(tokenizer, blind, [encode(tokenizer, said, blind)], [said])


def _changed(row: SftRow, prompt: str | None = None, completion: str | None = None) -> SftRow:
    changes = {}
    if prompt is not None:
        changes["prompt"] = (Message(role="user", content=prompt),)
    if completion is not None:
        changes["completion"] = (Message(role="assistant", content=completion),)
    return row.model_copy(update=changes)


def test_every_stage_stands_where_its_span_says(tokenizer: Any, form: Form) -> None:
    encoded = encode_rows(tokenizer, ROWS, form)
    row = ROWS[1]
    first, *others, answer = row.spans
    for spans, told in (
        ((first, *others), "last stage is not the answer"),
        ((), "last stage is not the answer"),
        ((*others, first, answer), "is not at its place"),
        ((first, first, *others, answer), "is not at its place"),
        ((first.model_copy(update={"start": 0}), *others, answer), "is not at its place"),
        ((first, *others, answer.model_copy(update={"end": answer.end + 1})), "is not at its place|not the answer"),
        ((first, *others, answer.model_copy(update={"start": answer.start + 1})), "last stage is not the answer"),
        ((first.model_copy(update={"end": answer.start}), answer), "is not at its place"),
        ((StageSpan(name="x", start=first.end, end=first.start), answer), "is not at its place"),
    ):
        rows = [ROWS[0], row.model_copy(update={"spans": spans}), *ROWS[2:]]
        with pytest.raises(TrainError, match=f"^1 of 15 rows cannot be trained: {row.id}: .*({told})"):
            proven(tokenizer, form, encoded, rows)


def test_a_tokenizer_that_alters_texts_is_refused() -> None:
    from tokenizers import normalizers

    for normalizer, told in (
        (normalizers.Lowercase(), "cannot hold its prompt"),
        (normalizers.NFKC(), "cannot hold its prompt|altered"),
        (normalizers.Replace("**", ""), "answer is altered by the tokenizer, '\\*\\*Six"),
        (normalizers.Prepend("_"), "cannot hold its prompt|not laid out|altered"),
    ):
        tokenizer = own_tokenizer(R1)
        form = form_of(tokenizer, R1)
        tokenizer.backend_tokenizer.normalizer = normalizer
        row = _changed(ROWS[3], prompt="How many trains leave ﬁrst?")
        with pytest.raises(TrainError, match=f"{row.id}: .*({told})"):
            proven(tokenizer, form, [encode(tokenizer, row, form)], [row])


def test_a_text_that_begins_twice_is_refused() -> None:
    tokenizer = own_tokenizer(R1)
    tokenizer.chat_template = "{{ bos_token }}" + str(tokenizer.chat_template)
    form = form_of(tokenizer, R1)
    with pytest.raises(TrainError, match="its prompt begins with two tokens that begin a text"):
        proven(tokenizer, form, encode_rows(tokenizer, ROWS, form))


def test_the_rows_are_the_releases_each_once(tokenizer: Any, form: Form) -> None:
    encoded = encode_rows(tokenizer, ROWS, form)
    with pytest.raises(TrainError, match="no rows to train on"):
        proven(tokenizer, form, [], [])
    for rows, given in (
        (ROWS, encoded[:-1]),
        (ROWS, encoded[::-1]),
        ([*ROWS, ROWS[0]], [*encoded, encoded[0]]),
    ):
        with pytest.raises(TrainError, match="each once and in their order"):
            proven(tokenizer, form, given, rows)


def test_long_rows_are_refused_by_id_and_length_and_told_what_would_hold_them(tokenizer: Any, form: Form) -> None:
    encoded = encode_rows(tokenizer, ROWS, form)
    lengths = sorted(len(one.input_ids) for one in encoded)
    fitting = Recipe(max_tokens=lengths[-1])
    assert prove(tokenizer, form, ROWS, encoded, fitting).longest.tokens == lengths[-1]
    longest = max(encoded, key=lambda one: len(one.input_ids))
    with pytest.raises(TrainError) as refused:
        prove(tokenizer, form, ROWS, encoded, Recipe(max_tokens=lengths[-1] - 1))
    told = str(refused.value)
    assert told.startswith(f"1 of 15 rows are longer than max_tokens {lengths[-1] - 1:,}, 6.7 % of the release: ")
    assert "the preset does not fit it" in told
    assert f"max_tokens to {lengths[-1]:,} or" in told
    assert told.endswith(f"{longest.id} ({lengths[-1]:,})")


def test_twenty_long_rows_are_listed_and_one_in_a_hundred_does_not_damn_a_preset() -> None:
    tokenizer = shared_tokenizer(R1)
    form = form_of(tokenizer, R1)
    short = rows_of(many(0, 100))
    with pytest.raises(TrainError, match=r"^100 of 100 rows .*fit it; [^:]*:( \S+ \(\d+\),?){20} and 80 more$"):
        prove(tokenizer, form, short, encode_rows(tokenizer, short, form), Recipe(max_tokens=16))
    rows = [*short[:99], ROWS[5]]
    with pytest.raises(TrainError, match=r"^1 of 100 rows are longer than max_tokens 200; no row is cut"):
        prove(tokenizer, form, rows, encode_rows(tokenizer, rows, form), Recipe(max_tokens=200))


def test_devices_that_cannot_share_a_batch_are_told() -> None:
    with pytest.raises(TrainError, match=r"8 rows a step cannot be shared by 3 devices .* a multiple of 3"):
        steps_of([10] * 9, Recipe(batch_rows=8), devices=3)


def test_packing_never_makes_more_sequences_than_rows() -> None:
    assert packed([4, 4, 4], 8) == 2
    assert packed([8, 8], 8) == 2
    assert packed([5, 3, 5, 3], 8) == 2
    assert packed([], 8) == 0
