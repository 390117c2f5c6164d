"""Proof before the first step: what will be trained, read back out of the very labels that the trainer is given.

    prove(tokenizer, form, rows, encoded, recipe)  ->  Proof(rows=1000, trained_tokens=167204, steps=1875, ...)

Of every row: the prompt's ids are what the model is given at inference, freshly rendered; the labels are those ids
masked and everything after them, to the end; decoded, they are the marks of the family with the row's reasoning and
answer between them, character by character, every stage at its place; the stop token stands once, at the end; no text
became a control token. A row that is too long for the recipe is refused, never cut.

One change of a text is let through, and counted (`Proof.normalized`): Qwen's tokenizers write a letter and its accent
as one character, and the ohm sign as the Greek letter (Unicode's form NFC), at inference as in training. Any other
change is refused.
"""

import bisect
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from schemas.errors import TrainError
from schemas.release import SftRow
from schemas.think import Thought, offsets
from schemas.training import Proof, Recipe, RowLength
from train.templates import (
    LISTED,
    MASKED,
    ChatTokenizer,
    Encoded,
    Form,
    completion_text,
    ids_of,
    prompt_ids,
    prompt_text,
    refuse,
    thought_of,
)

_PACKED_AT_A_TIME = 1000
"""Rows that TRL packs by themselves: the batch of `datasets`' map, which it leaves at its default."""
_TOLERATED_PERCENT = 1.0
"""Of rows that are too long: with more of them, the recipe is not one for this release."""


def prove(
    tokenizer: ChatTokenizer,
    form: Form,
    rows: Sequence[SftRow],
    encoded: Sequence[Encoded],
    recipe: Recipe,
    devices: int = 1,
) -> Proof:
    """Counts what `encoded` trains, once every row of it was read back and found to be its row.

    `devices`: processes that train together, one GPU each. Raises TrainError, in one line that names the rows (the
    first 20): no rows, rows too long for `recipe.max_tokens`, anything that is not as the module says.
    """
    if not rows:
        raise TrainError("no rows to train on: the release's train split, or what was left of it, is empty")
    if [one.id for one in encoded] != [row.id for row in rows] or len({row.id for row in rows}) != len(rows):
        raise TrainError("the encoded rows are not the release's rows, each once and in their order")
    _refuse_long(encoded, recipe.max_tokens)
    reader = _Reader(tokenizer, form)
    faults = [fault for row, one in zip(rows, encoded, strict=True) if (fault := reader.fault(row, one))]
    refuse(faults, len(rows))
    return _count(form, encoded, recipe, devices, reader.normalized)


def lines_of(proof: Proof) -> list[str]:
    """What will be trained, for people."""
    shares = ", ".join(
        f"{label} {proof.rows_by_label[label]:,} rows, {tokens / proof.trained_tokens:.0%} of them".replace("%", " %")
        for label, tokens in proof.trained_by_label.items()
    )
    unlike = f"{proof.normalized:,} row{' holds' if proof.normalized == 1 else 's hold'}"
    return [
        f"to train  {proof.rows:,} rows, {proof.trained_tokens:,} tokens ({shares}); {proof.masked_tokens:,} masked",
        f"longest   {proof.longest.tokens:,} tokens ({proof.longest.id})",
        *([f"letters   {unlike} some that the tokenizer writes in Unicode's form NFC"] if proof.normalized else []),
        f"steps     {proof.steps:,}, {proof.tokens_a_step:,.0f} tokens each on average, {proof.epochs:g} epochs",
    ]


def steps_of(lengths: Sequence[int], recipe: Recipe, devices: int = 1) -> int:
    """Optimizer steps for rows of these lengths, in this order, as transformers' Trainer counts them.

    Rows (or packed sequences) become batches of `device_rows`, dealt evenly to the devices; the last, smaller group of
    batches of an epoch is a step of its own. Raises TrainError where the devices cannot share `batch_rows`.
    """
    if recipe.batch_rows % (recipe.device_rows * devices):
        raise TrainError(
            f"{recipe.batch_rows} rows a step cannot be shared by {devices} devices with {recipe.device_rows} at a "
            f"time; make batch_rows a multiple of {recipe.device_rows * devices}"
        )
    sequences = packed(lengths, recipe.max_tokens) if recipe.packing else len(lengths)
    batches = math.ceil(math.ceil(sequences / recipe.device_rows) / devices)
    return math.ceil(recipe.epochs * math.ceil(batches / recipe.accumulated(devices)))


def packed(lengths: Sequence[int], max_tokens: int) -> int:
    """Sequences that rows of these lengths fill: best fit, longest first, as TRL's packing `bfd` does it."""
    sequences = 0
    for start in range(0, len(lengths), _PACKED_AT_A_TIME):
        rooms: list[int] = []
        for length in sorted(lengths[start : start + _PACKED_AT_A_TIME], reverse=True):
            at = bisect.bisect_left(rooms, length)
            if at == len(rooms):
                sequences += 1
                room = max_tokens
            else:
                room = rooms.pop(at)
            bisect.insort(rooms, room - length)
    return sequences


def _refuse_long(encoded: Sequence[Encoded], max_tokens: int) -> None:
    long = [(one.id, len(one.input_ids)) for one in encoded if len(one.input_ids) > max_tokens]
    if not long:
        return
    told = ", ".join(f"{row_id} ({length:,})" for row_id, length in long[:LISTED])
    more = f" and {len(long) - LISTED} more" if len(long) > LISTED else ""
    share = 100 * len(long) / len(encoded)
    unfit = f", {share:.1f} % of the release: the preset does not fit it" if share > _TOLERATED_PERCENT else ""
    raise TrainError(
        f"{len(long)} of {len(encoded)} rows are longer than max_tokens {max_tokens:,}{unfit}; no row is cut, so set "
        f"max_tokens to {max(length for _, length in long):,} or leave them out: {told}{more}"
    )


class _Reader:
    """Reads rows back. What is the same for every row is worked out once."""

    def __init__(self, tokenizer: ChatTokenizer, form: Form) -> None:
        self._tokenizer = tokenizer
        self._form = form
        self._said_controls = self._controls(
            ids_of(tokenizer, completion_text(form, Thought(reasoning="a", answer="a")))
        )
        self._given_controls: dict[str, list[int]] = {}
        self.normalized = 0
        """Rows so far whose completion the tokenizer writes in the form NFC."""

    def fault(self, row: SftRow, one: Encoded) -> str | None:
        """What is wrong with the row's ids and labels, or None."""
        thought = thought_of(row)
        given = prompt_ids(self._tokenizer, row, self._form, one.system)
        said = one.input_ids[len(given) :]
        if one.input_ids[: len(given)] != given:
            return f"{row.id}: its prompt is not what the model is given at inference"
        if one.labels != [MASKED] * len(given) + said:
            return f"{row.id}: its labels are not all that follows the prompt, and nothing else"
        return (
            self._fault_of_prompt(row, one, given)
            or self._fault_of_stop(row, said)
            or self._fault_of_text(row, thought, one, given)
        )

    def _fault_of_prompt(self, row: SftRow, one: Encoded, given: list[int]) -> str | None:
        if one.system not in self._given_controls:
            plain = row.model_copy(update={"prompt": (row.prompt[0].model_copy(update={"content": "a"}),)})
            ids = prompt_ids(self._tokenizer, plain, self._form, one.system)
            self._given_controls[one.system] = self._controls(ids)
        if self._controls(given) != self._given_controls[one.system]:
            return f"{row.id}: the tokenizer reads a part of its prompt as a mark, not as text"
        if given[:2] == [self._tokenizer.bos_token_id] * 2:
            return f"{row.id}: its prompt begins with two tokens that begin a text"
        read, told = self._decode(given), prompt_text(self._tokenizer, row, self._form, one.system)
        if _nfc(read) != _nfc(told):
            return f"{row.id}: the tokenizer cannot hold its prompt"
        return None

    def _fault_of_stop(self, row: SftRow, said: list[int]) -> str | None:
        if said[-1:] != [self._form.stop_id] or said.count(self._form.stop_id) != 1:
            return f"{row.id}: what is trained does not end with {self._form.stop!r}, and hold it once"
        if self._controls(said) != self._said_controls:
            return f"{row.id}: the tokenizer reads a part of its completion as a mark, not as text"
        return None

    def _fault_of_text(self, row: SftRow, thought: Thought, one: Encoded, given: list[int]) -> str | None:
        # Decoded together: some tokenizers put a space before a text that is decoded by itself.
        whole, before = self._decode(one.input_ids), self._decode(given)
        said = whole[len(before) :]
        form = self._form
        reasoning, found, answer = said.removeprefix(form.opening).removesuffix(form.stop).partition(form.between)
        if not said.startswith(form.opening) or not found:
            return f"{row.id}: what is trained is not laid out as {completion_text(form, _ELLIPSES)!r}"
        altered = (reasoning, answer) != (thought.reasoning, thought.answer)
        self.normalized += altered
        written = _nfc if altered else str
        for name, read, told in (("reasoning", reasoning, thought.reasoning), ("answer", answer, thought.answer)):
            if read != written(told):
                return f"{row.id}: its {name} is altered by the tokenizer, {_difference(read, told)}"
        return _fault_of_stages(row, thought, reasoning, answer, written)

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _controls(self, ids: Sequence[int]) -> list[int]:
        return [token for token in ids if token in self._form.controls]


_ELLIPSES = Thought(reasoning="…", answer="…")


def _fault_of_stages(
    row: SftRow, thought: Thought, reasoning: str, answer: str, written: Callable[[str], str]
) -> str | None:
    """Whether each stage of the row stands where its span says, in what was read back. `written`: how a text is
    written by the tokenizer."""
    content = row.completion[0].content
    in_reasoning, in_answer = offsets(thought.reasoning)
    end = 0
    for span in row.spans:
        start, text = (in_answer, answer) if span.start >= in_answer else (in_reasoning, reasoning)
        at, stage = len(written(content[start : span.start])), written(content[span.start : span.end])
        if not start <= span.start <= span.end or span.start < end or not text.startswith(stage, at):
            return f"{row.id}: its stage {span.name!r} is not at its place in what is trained"
        end = span.end
    if not row.spans or (row.spans[-1].start, end) != (in_answer, len(content)):
        return f"{row.id}: its last stage is not the answer"
    return None


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _difference(read: str, told: str) -> str:
    at = next((at for at, (a, b) in enumerate(zip(read, told, strict=False)) if a != b), min(len(read), len(told)))
    return f"{told[at : at + 12]!r} to {read[at : at + 12]!r} at character {at}"


def _count(form: Form, encoded: Sequence[Encoded], recipe: Recipe, devices: int, normalized: int) -> Proof:
    rows: Counter[str] = Counter(one.label for one in encoded)
    trained: Counter[str] = Counter()
    for one in encoded:
        trained[one.label] += len(one.labels) - one.labels.count(MASKED)
    lengths = [len(one.input_ids) for one in encoded]
    longest = max(encoded, key=lambda one: len(one.input_ids))
    steps = steps_of(lengths, recipe, devices)
    return Proof(
        family=form.family,
        stop=form.stop,
        rows=len(encoded),
        rows_by_label=dict(rows),
        tokens=sum(lengths),
        trained_tokens=trained.total(),
        masked_tokens=sum(lengths) - trained.total(),
        trained_by_label=dict(trained),
        longest=RowLength(id=longest.id, tokens=len(longest.input_ids)),
        epochs=recipe.epochs,
        steps=steps,
        tokens_a_step=recipe.epochs * sum(lengths) / steps,
        normalized=normalized,
    )
