"""Which column of a known dataset holds what: data, and the rules by which columns, labels and categories are known."""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Literal, get_args

from schemas.errors import SourceError
from schemas.example import Category, Frozen, Label

Field = Literal[
    "id",
    "prompt",
    "messages",
    "completion",
    "trace",
    "answer",
    "label",
    "category",
    "style",
    "source",
    "license",
    "model",
    "reference",
    "family",
]
"""What a row can hold, in our words. `completion` is a whole reply, thinking and answer; `messages` a conversation."""

FIELDS: tuple[Field, ...] = get_args(Field)


class FieldMap(Frozen):
    """A known set: where its rows hold what, and what is true of all of them."""

    name: str
    dataset: str | None = None
    """Its id on the Hub, and the name that its seeds carry as their source."""
    columns: Mapping[Field, str]
    signature: tuple[str, ...]
    """The columns that are always there."""
    recognised: Literal["by_name", "exactly", "among_others"] = "by_name"
    """Whether columns alone tell this set. By name or Hub id only, where that could give a row a label it has not."""
    label: Label | None = None
    license: str | None = None
    model: str | None = None
    documented: str
    """Where the columns were read."""
    ran: bool
    """False: written from what is documented, never run on the real rows."""


PLAIN = FieldMap(
    name="plain",
    columns={field: field for field in FIELDS},
    signature=(),
    documented="docs/sources.md; the packaged examples are such rows",
    ran=True,
)
"""Columns that have our names already."""

FIELD_MAPS = (
    PLAIN,
    FieldMap(
        name="traced",
        columns={
            "id": "id",
            "prompt": "prompt",
            "label": "kind",
            "source": "source",
            "license": "license",
            "category": "category",
            "trace": "trace",
            "answer": "answer",
            "model": "model",
            "reference": "reference",
        },
        signature=("id", "prompt", "kind", "source", "license", "category"),
        recognised="among_others",
        documented="the README beside those files",
        ran=True,
    ),
    FieldMap(
        name="safechain",
        dataset="UWNSL/SafeChain",
        columns={"prompt": "instruction", "label": "label", "completion": "response"},
        signature=("instruction", "label", "response"),
        recognised="exactly",
        documented="its card, https://huggingface.co/datasets/UWNSL/SafeChain",
        ran=False,
    ),
    FieldMap(
        name="star1",
        dataset="UCSC-VLAA/STAR-1",
        columns={
            "id": "id",
            "prompt": "question",
            "completion": "response",
            "category": "category",
            "source": "source",
        },
        signature=("id", "question", "response", "category", "source", "score"),
        label=Label.HARMFUL,
        license="Apache-2.0",
        model="deepseek-ai/DeepSeek-R1",
        documented="https://github.com/UCSC-VLAA/STAR-1 and public code that reads the set",
        ran=False,
    ),
    FieldMap(
        name="star_benign",
        dataset="UCSC-VLAA/STAR-benign-915",
        columns={"id": "id", "prompt": "question", "completion": "response", "source": "source"},
        signature=("id", "question", "response", "source", "score"),
        label=Label.BENIGN,
        model="deepseek-ai/DeepSeek-R1",
        documented="https://github.com/UCSC-VLAA/STAR-1 and public code that reads the set",
        ran=False,
    ),
    FieldMap(
        name="r1_act",
        dataset="Yeonjun/R1-Act-train",
        columns={"prompt": "instruction", "completion": "response"},
        signature=("instruction", "response"),
        documented="its authors' training code, https://github.com/yeonjun-in/R1-Act",
        ran=False,
    ),
    FieldMap(
        name="sharegpt",
        columns={"id": "id", "messages": "conversations"},
        signature=("conversations",),
        recognised="among_others",
        documented="the common form of conversations: a list of {from, value} or {role, content}",
        ran=False,
    ),
)


def field_map_names() -> tuple[str, ...]:
    return tuple(known.name for known in FIELD_MAPS)


def describe_field_maps() -> str:
    """A line for each known set, for help texts."""
    return "\n".join(
        f"{known.name:<12} {known.dataset or '-':<27} {', '.join(known.signature) or ', '.join(FIELDS)}"
        + ("" if known.ran else " (not run against the real set)")
        for known in FIELD_MAPS
    )


def find_field_map(name: str) -> FieldMap:
    """Raises SourceError with the nearest name where there is none of this name."""
    for known in FIELD_MAPS:
        if known.name == name:
            return known
    near = difflib.get_close_matches(name, field_map_names(), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(field_map_names())}"
    raise SourceError(f"no field map {name!r}; {hint}")


def recognise(columns: Collection[str], dataset: str | None) -> FieldMap:
    """The field map for a Hub dataset, or for columns; `PLAIN` where no other fits.

    A set known by its columns only may be a part or a relative of the published one: it gets no name, licence or model.
    """
    found = set(columns)
    for known in FIELD_MAPS:
        if dataset is not None and known.dataset == dataset:
            return known
    for known in FIELD_MAPS:
        signature = set(known.signature)
        if (known.recognised == "exactly" and signature == found) or (
            known.recognised == "among_others" and signature <= found
        ):
            return known.model_copy(update={"dataset": None, "license": None, "model": None})
    return PLAIN


def resembling(columns: Collection[str]) -> tuple[str, ...]:
    """Names of the sets that have all these columns, for a hint; none of them may be assumed."""
    return tuple(known.name for known in FIELD_MAPS if known.signature and set(known.signature) <= set(columns))


_LABELS = {
    "harmful": Label.HARMFUL,
    "unsafe": Label.HARMFUL,
    "benign": Label.BENIGN,
    "harmless": Label.BENIGN,
    "safe": Label.BENIGN,
    "borderline": None,
    "unsure": None,
    "unknown": None,
}
Style = Literal["vanilla", "adversarial"]
_STYLES: tuple[Style, ...] = get_args(Style)


def parse_label(text: str) -> tuple[Label | None, Style | None]:
    """'vanilla_harmful' -> (harmful, vanilla); 'borderline' -> (None, None): a person's call.

    Raises ValueError for a word that is not known: guessing, or dropping it, would lose what the source said.
    """
    words = re.findall(r"[a-z]+", text.casefold())
    style = next((style for style in _STYLES if style in words), None)
    rest = [word for word in words if word not in _STYLES]
    if len(rest) != 1 or rest[0] not in _LABELS:
        raise ValueError(
            f"the label {text[:40]!r} is not one of {', '.join(_LABELS)}; "
            "mend it, or leave the column out with --map label="
        )
    return _LABELS[rest[0]], style


def parse_style(text: str) -> Style | None:
    """None for anything else: a column of this name may speak of another style."""
    return next((style for style in _STYLES if style == text.casefold()), None)


_CATEGORIES = {
    # STAR-1's eight, as its policies and rows write them.
    "illicit criminal behavior": Category.ILLICIT,
    "privacy personal data": Category.PRIVACY,
    "intellectual property": Category.INTELLECTUAL_PROPERTY,
    "harassment hate discrimination": Category.HARASSMENT,
    "violence physical harm": Category.VIOLENCE,
    "misinformation disinformation": Category.MISINFORMATION,
    "self harm": Category.SELF_HARM,
    "sexual adult": Category.SEXUAL,
    # The same things in HarmBench's and JailbreakBench's words.
    "illegal": Category.ILLICIT,
    "copyright": Category.INTELLECTUAL_PROPERTY,
    "harassment bullying": Category.HARASSMENT,
    "harassment discrimination": Category.HARASSMENT,
    "physical harm": Category.VIOLENCE,
    "disinformation": Category.MISINFORMATION,
    "sexual adult content": Category.SEXUAL,
} | {category.value.replace("_", " "): category for category in Category}


def parse_category(text: str) -> str:
    """One of `Category` where the source means the same, else the source's own word."""
    return _CATEGORIES.get(" ".join(re.findall(r"[^\W_]+", text.casefold())), text)
