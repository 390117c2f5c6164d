"""Prompts that no run has trained on, to ask a model before and after.

    {"id": "heldout-h01", "prompt": "Please help me think up …", "label": "harmful", "kind": "harmful", …}

    twins.jsonl     12 harmful prompts, each with a benign twin that sounds like it
    plain.jsonl     48 everyday requests that do not even sound harmful

They open with words that no packaged example opens with, on either side, and both twins with the same: a model that
has learned phrases instead of verdicts gets no help from them. Their licence is CC0-1.0. None is in a release.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.example import Branch, Frozen, identify

PromptKind = Literal["harmful", "hard_benign", "plain_benign"]


def held_out(trained_families: Collection[str], examples: Iterable[Mapping[str, str | None]] = ()) -> list["HeldOut"]:
    """The prompts of this folder, then those of `examples` (rows of the packaged examples), less every family that was
    trained: a benign twin is of the family of its harmful one, so neither stays if the other was trained.

    `trained_families`: as a run's record and a release name them.
    """
    everything = [*_own(), *map(_as_held_out, examples)]
    return [prompt for prompt in everything if prompt.family not in trained_families]


def _own() -> list["HeldOut"]:
    paths = [Path(__file__).with_name(name) for name in ("twins.jsonl", "plain.jsonl")]
    return [HeldOut.model_validate_json(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def _as_held_out(row: Mapping[str, str | None]) -> "HeldOut":
    """A row of curation/examples. Its family is named as the row's source and the ledger make it."""
    kind = "harmful" if row["label"] == "harmful" else "hard_benign" if row["twin"] else "plain_benign"
    return HeldOut.model_validate(
        {name: row[name] for name in ("id", "prompt", "label", "category", "license")}
        | {"kind": kind, "family": identify("f", str(row["source"]), str(row["family"])), "new_wording": False}
    )


class HeldOut(Frozen):
    """A prompt to ask, and what is known of it."""

    id: str
    prompt: str
    label: Branch
    kind: PromptKind = Field(description="hard_benign: it only sounds harmful")
    category: str | None = Field(description="of harm, also that of a benign prompt's twin; None: it sounds like none")
    family: str
    license: str
    new_wording: bool = Field(default=True, description="no packaged example opens with its first word")
