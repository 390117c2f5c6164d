"""What a model is given and what it then says itself, as token ids: the only place that knows chat templates.

    form = form_of(tokenizer, "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B")
    encode(tokenizer, row, form)

    input_ids   <｜begin▁of▁sentence｜><｜User｜>…<｜Assistant｜><think>⏎ | Okay, … ⏎</think>⏎⏎ …<｜end▁of▁sentence｜>
    labels      -100 …                                             | Okay, … ⏎</think>⏎⏎ …<｜end▁of▁sentence｜>

The prompt's ids are what `apply_chat_template(…, add_generation_prompt=True)` gives at inference. All that follows is
what the model says itself, and all of it is trained: the opening mark unless the prompt holds it, the reasoning, the
closing mark, the answer, and last the token at which inference stops. It is tokenized apart from the prompt, as it is
generated apart from it, so no token stands across the border.

    family            prompt ends with                  the model says
    r1                <｜Assistant｜><think>⏎           …⏎</think>⏎⏎…<｜end▁of▁sentence｜>
    qwq               <|im_start|>assistant⏎<think>⏎    …⏎</think>⏎⏎…<|im_end|>
    qwen3             <|im_start|>assistant⏎            <think>⏎…⏎</think>⏎⏎…<|im_end|>
    smollm2           <|im_start|>assistant⏎            the same; its marks are ordinary text
    smollm3           <|im_start|>assistant⏎            <think>⏎…⏎</think>⏎…<|im_end|>
    s1                <|im_start|>assistant⏎            <|im_start|>think⏎…⏎<|im_start|>answer⏎…<|im_end|>
    phi-4-reasoning   <|im_start|>assistant<|im_sep|>   <think>⏎…⏎</think>⏎⏎…<|im_end|>
    gpt-oss           <|start|>assistant                <|channel|>analysis<|message|>…<|end|>
                                                        <|start|>assistant<|channel|>final<|message|>…<|return|>
    generic           as any other template has it      <think>⏎…⏎</think>⏎⏎… and the template's own stop token

A family is told by what its template renders and by single words of it, never by comparing the whole text, so a changed
comment changes nothing; s1 is told by its name, since its template is Qwen2.5's.

What the template writes after an assistant's answer is the stop token. It has to be one at which inference stops: the
tokenizer's `eos_token`, or one of the model's generation config where the caller hands those in. Anything else is
refused rather than mended here, since whoever serves the model reads its files, not ours.

Templates of gpt-oss and SmolLM3 write today's date into each prompt. Here a row's date is drawn from a year by its id:
a run that is resumed tomorrow has the same tokens, and no one date becomes a sign of what is to be said.

Sources: the templates themselves (tests/data/chat_templates/README.md says whose, and which were not checked against
the model's own repository). s1's marks are those of its published training text, `data/tokenization.py`.
"""

import contextlib
import datetime
import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from schemas.errors import TrainError
from schemas.example import Branch
from schemas.release import SftRow
from schemas.think import CLOSE, OPEN, Thought, join, split

MASKED = -100
"""The label of a token that is given, not trained."""
LISTED = 20
"""Faulty rows that are named in one message."""

_ASKED, _SAID = "Which day comes after Monday?", "Tuesday comes after Monday."
_YEAR = datetime.date(2026, 1, 1)
_TODAY = re.compile(r"""strftime_now\(\s*(?P<quote>['"])(?P<format>[^'"]*)(?P=quote)\s*\)""")
_DATE = "date_of_the_row_"
_ROLE_MARK = re.compile(r"<[|｜][^<>\s]{1,40}[|｜]>")
_CONTROL = re.compile(r"[<\[{][^\s<>\[\]{}]+[>\]}]")
_S1 = re.compile(r"(?:^|[/\\])s1(?:\.\d+)?(?:-|$)", re.IGNORECASE)


class _AddedToken(Protocol):
    content: str
    special: bool


class ChatTokenizer(Protocol):
    """What is used of a `transformers` tokenizer."""

    chat_template: Any
    eos_token: str | None
    eos_token_id: int | None
    bos_token_id: int | None
    all_special_ids: list[int]

    @property
    def added_tokens_decoder(self) -> Mapping[int, _AddedToken]: ...
    def get_chat_template(self) -> str: ...
    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any: ...
    def decode(self, token_ids: list[int], **options: Any) -> str: ...
    def __call__(self, text: str, **options: Any) -> Mapping[str, Any]: ...


class Encoded(NamedTuple):
    """A row as a trainer takes it."""

    id: str
    label: Branch
    input_ids: list[int]
    labels: list[int]
    """The same ids, but for MASKED on those of the prompt."""
    system: str = ""
    """The system prompt that is in it; '': none was asked for."""


class Form(NamedTuple):
    """How a model is spoken to and how it answers."""

    family: str
    tail: str
    """What the template writes after the user's text."""
    opening: str
    between: str
    """What the model itself writes before the reasoning, and between it and the answer."""
    stop: str
    stop_id: int
    controls: frozenset[int]
    """Ids that are never text: special tokens, and added ones that look like marks."""
    control_texts: re.Pattern[str]
    template: str
    """The chat template, but that dates are given to it; '': it asks for none, and the tokenizer's own is used."""
    date_formats: tuple[str, ...]


class _Marks(NamedTuple):
    opening: str = f"{OPEN}\n"
    between: str = f"\n{CLOSE}\n\n"
    one_token: bool = False
    """Whether the family's tokenizers hold each of the two tags as one token."""


_MARKS: Mapping[str, _Marks] = MappingProxyType(
    {
        "r1": _Marks(one_token=True),
        "qwq": _Marks(one_token=True),
        "qwen3": _Marks(one_token=True),
        "smollm2": _Marks(),
        "smollm3": _Marks(between=f"\n{CLOSE}\n"),
        "s1": _Marks("<|im_start|>think\n", "\n<|im_start|>answer\n"),
        "phi-4-reasoning": _Marks(),
        "gpt-oss": _Marks("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        "generic": _Marks(),
    }
)


def form_of(tokenizer: ChatTokenizer, model: str, stops: Collection[int] = ()) -> Form:
    """How `model` (its Hub id or folder) is spoken to, read off its tokenizer and its chat template.

    `stops`: further ids at which inference stops, as the model's generation config has them; the tokenizer's
    `eos_token` always counts. Raises TrainError for a model that no row can be rightly trained with: no chat template,
    one that closes the thinking by itself, a stop token at which nothing stops, marks that the tokenizer does not know.
    """
    if not tokenizer.chat_template:
        raise TrainError(
            f"{model} has no chat template, so nothing says how it is spoken to; take the chat model of its family, or "
            "set chat_template in its tokenizer_config.json"
        )
    template = _template(tokenizer, model)
    tail = _rest(_render(tokenizer, [_user(_ASKED)], model), _ASKED, model)
    turn = _render(
        tokenizer, [_user(_ASKED), {"role": "assistant", "content": _SAID}], model, add_generation_prompt=False
    )
    if CLOSE in tail:
        raise TrainError(f"the chat template of {model} ends the thinking before the model can begin it: not trainable")
    controls = _controls(tokenizer)
    stop, stop_id = _stop(tokenizer, controls, _rest(turn, _SAID, model), model, stops)
    family = _family(template, tail, model)
    marks = _MARKS[family]
    undated, date_formats = _undated(tokenizer, template, model)
    held = tail[tail.rindex(OPEN) :] if tail.rstrip().endswith(OPEN) else ""
    form = Form(
        family=family,
        tail=tail,
        opening=marks.opening[len(held) :],
        between=marks.between,
        stop=stop,
        stop_id=stop_id,
        controls=frozenset(controls),
        control_texts=re.compile(
            "|".join(re.escape(text) for text in sorted(controls.values(), key=len, reverse=True))
        ),
        template=undated,
        date_formats=date_formats,
    )
    _require_marks(tokenizer, form, turn + tail, model)
    return form


def encode(tokenizer: ChatTokenizer, row: SftRow, form: Form, system: str = "") -> Encoded:
    """The row as ids and labels, under the system prompt where there is one.

    Raises TrainError, naming the row, where it is not one user message and one assistant message that thinks and
    answers, where a text of it would become a control token, or where the template does not write a text out.
    """
    thought = thought_of(row)
    for name, text in (
        ("prompt", row.prompt[0].content),
        ("reasoning", thought.reasoning),
        ("answer", thought.answer),
        ("system prompt", system),
    ):
        _require_plain(row.id, name, text, form)
    given = prompt_text(tokenizer, row, form, system)
    if not given.endswith(form.tail) or row.prompt[0].content.strip() not in given:
        raise TrainError(f"{row.id}: the chat template does not write its prompt out as it stands")
    if system.strip() not in given:
        raise TrainError(f"{row.id}: the chat template does not write the system prompt out as it stands")
    prompt = prompt_ids(tokenizer, row, form, system)
    said = ids_of(tokenizer, completion_text(form, thought))
    return Encoded(row.id, row.label, [*prompt, *said], [*([MASKED] * len(prompt)), *said], system)


def encode_rows(
    tokenizer: ChatTokenizer, rows: Sequence[SftRow], form: Form, systems: Sequence[str] = ()
) -> list[Encoded]:
    """All rows, in order, the system prompts dealt out by row id. Raises one TrainError that names every faulty row
    (the first 20 of them)."""
    encoded, faults = [], []
    for row in rows:
        try:
            encoded.append(encode(tokenizer, row, form, deal(systems, row.id)))
        except TrainError as error:
            faults.append(str(error))
    refuse(faults, len(rows))
    return encoded


def refuse(faults: Sequence[str], rows: int) -> None:
    """Raises TrainError, in one line, where there are faults."""
    if faults:
        more = f"; and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise TrainError(f"{len(faults)} of {rows} rows cannot be trained: {'; '.join(faults[:LISTED])}{more}")


def deal(systems: Sequence[str], row_id: str) -> str:
    """The row's system prompt: by its id alone, so neither order nor other rows change it. '' where there are none."""
    return systems[_number(row_id) % len(systems)] if systems else ""


def thought_of(row: SftRow) -> Thought:
    """Reasoning and answer of the row. Raises TrainError where it is of another shape, or has no answer."""
    if [message.role for message in (*row.prompt, *row.completion)] != ["user", "assistant"]:
        raise TrainError(f"{row.id}: not one user message and one assistant message")
    content = row.completion[0].content
    thought = split(content)
    if thought is None or join(thought.reasoning, thought.answer) != content:
        raise TrainError(f"{row.id}: its completion is not laid out as {join('…', '…')!r}")
    if not thought.answer.strip():
        raise TrainError(f"{row.id}: its completion has no answer")
    return thought


def completion_text(form: Form, thought: Thought) -> str:
    """All that the model says itself, its stop token last."""
    return f"{form.opening}{thought.reasoning}{form.between}{thought.answer}{form.stop}"


def prompt_text(tokenizer: ChatTokenizer, row: SftRow, form: Form, system: str = "") -> str:
    return str(_prompt(tokenizer, row, form, system, tokenize=False))


def prompt_ids(tokenizer: ChatTokenizer, row: SftRow, form: Form, system: str = "") -> list[int]:
    """What the model is given at inference."""
    return list(_prompt(tokenizer, row, form, system, tokenize=True, return_dict=True)["input_ids"])


def messages_ids(tokenizer: ChatTokenizer, form: Form, messages: Sequence[Mapping[str, str]], row_id: str) -> list[int]:
    """What the model is given at inference for any messages (role, content), as `prompt_ids` for a row's; `row_id`
    draws the date where the template writes one."""
    return list(_rendered(tokenizer, form, messages, row_id, tokenize=True, return_dict=True)["input_ids"])


def ids_of(tokenizer: ChatTokenizer, text: str) -> list[int]:
    """The text's ids, its marks read as the tokens that they are, and nothing added."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _prompt(tokenizer: ChatTokenizer, row: SftRow, form: Form, system: str, **options: Any) -> Any:
    messages = [*([{"role": "system", "content": system}] if system else []), _user(row.prompt[0].content)]
    return _rendered(tokenizer, form, messages, row.id, **options)


def _rendered(
    tokenizer: ChatTokenizer, form: Form, messages: Sequence[Mapping[str, str]], row_id: str, **options: Any
) -> Any:
    if form.template:
        day = _YEAR + datetime.timedelta(days=_number(row_id) % 365)
        options |= {"chat_template": form.template, **_dates(form.date_formats, day)}
    with _rendering(f"{row_id}: the chat template"):
        return tokenizer.apply_chat_template([dict(one) for one in messages], add_generation_prompt=True, **options)


def _undated(tokenizer: ChatTokenizer, template: str, model: str) -> tuple[str, tuple[str, ...]]:
    """The template with variables where it asks for today's date, and how each is written; '' where it never asks."""
    if "strftime_now" not in template:
        return "", ()
    date_formats = tuple(found["format"] for found in _TODAY.finditer(template))
    numbers = itertools.count()
    undated = _TODAY.sub(lambda _: f"{_DATE}{next(numbers)}", template)
    today = _dates(date_formats, datetime.date.today())
    rendered = _render(tokenizer, [_user(_ASKED)], model, chat_template=undated, **today)
    if "strftime_now(" in undated or rendered != _render(tokenizer, [_user(_ASKED)], model):
        raise TrainError(
            f"the chat template of {model} asks for today's date in a way that cannot be held still, so a run that is "
            "resumed tomorrow would train other tokens"
        )
    return undated, date_formats


def _dates(date_formats: Sequence[str], day: datetime.date) -> dict[str, str]:
    return {f"{_DATE}{number}": day.strftime(written) for number, written in enumerate(date_formats)}


def _number(row_id: str) -> int:
    return int.from_bytes(hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _template(tokenizer: ChatTokenizer, model: str) -> str:
    named = tokenizer.chat_template
    if isinstance(named, dict) and "default" in named:
        named = named["default"]
    if not isinstance(named, str):
        names = ", ".join(map(str, named)) if isinstance(named, dict) else "no text"
        raise TrainError(
            f"{model} has no chat template that is the default one (it has: {names}), so nothing says how it is spoken "
            "to; set chat_template in its tokenizer_config.json"
        )
    return tokenizer.get_chat_template()


def _render(tokenizer: ChatTokenizer, messages: list[dict[str, str]], model: str, **options: Any) -> str:
    options = {"add_generation_prompt": True, "tokenize": False, **options}
    with _rendering(f"the chat template of {model}"):
        return str(tokenizer.apply_chat_template(messages, **options))


@contextlib.contextmanager
def _rendering(where: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # A template is a stranger's program: what it raises is anything, from Jinja's errors to ZeroDivisionError.
        said = " ".join(str(error).split())[:300]
        raise TrainError(f"{where} cannot be rendered: {said} ({type(error).__name__})") from error


def _rest(rendered: str, text: str, model: str) -> str:
    _, found, after = rendered.rpartition(text)
    if not found:
        raise TrainError(f"the chat template of {model} does not write out what it is given: not trainable")
    return after


def _controls(tokenizer: ChatTokenizer) -> dict[int, str]:
    special = set(tokenizer.all_special_ids)
    return {
        token_id: token.content
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special or token_id in special or _CONTROL.fullmatch(token.content)
    }


def _stop(
    tokenizer: ChatTokenizer, controls: Mapping[int, str], after: str, model: str, stops: Collection[int]
) -> tuple[str, int]:
    """What the template writes right after an answer: text and id."""
    first = (ids_of(tokenizer, after) or [-1])[0]
    if first not in controls:
        raise TrainError(
            f"the chat template of {model} ends an answer with {after[:20]!r}, which opens with no token of its own: "
            "a model could not be taught where to stop"
        )
    if first not in {tokenizer.eos_token_id, *stops}:
        raise TrainError(
            f"the chat template of {model} ends an answer with {controls[first]!r}, but inference stops at "
            f"{tokenizer.eos_token!r}: the model would talk on; set eos_token to {controls[first]!r} in its "
            "tokenizer_config.json"
        )
    return controls[first], first


def _family(template: str, tail: str, model: str) -> str:
    if tail.endswith("<|start|>assistant"):
        return "gpt-oss"
    if "<｜Assistant｜>" in tail:
        return "r1"
    if tail.endswith("<|im_start|>assistant<|im_sep|>"):
        return "phi-4-reasoning" if OPEN in template else "generic"
    if "<|im_start|>assistant\n" not in tail:
        return "generic"
    if "/system_override" in template:
        return "smollm3"
    if CLOSE in template:
        return "qwen3" if "reasoning_content" in template else "qwq"
    if _S1.search(model):
        return "s1"
    return "smollm2" if "SmolLM" in template else "generic"


def _require_marks(tokenizer: ChatTokenizer, form: Form, rendered: str, model: str) -> None:
    """Raises TrainError where a mark of the template is not one token of the tokenizer."""
    marks = _ROLE_MARK.findall(rendered + form.opening + form.between)
    marks += [OPEN, CLOSE] if _MARKS[form.family].one_token else []
    for mark in marks:
        ids = ids_of(tokenizer, mark)
        if len(ids) != 1 or ids[0] not in form.controls:
            raise TrainError(
                f"{mark!r} of the chat template of {model} is not one token of its tokenizer, as happens with "
                "tokenizers made from GGUF files; take the tokenizer of the model's own repository"
            )


def _require_plain(row_id: str, name: str, text: str, form: Form) -> None:
    if found := form.control_texts.search(text):
        raise TrainError(f"{row_id}: its {name} holds {found[0]!r}, which the tokenizer reads as a mark, not as text")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise TrainError(f"{row_id}: its {name} holds half a surrogate pair, which is no text")
