"""Everything that one record of a queue shows, as values: between the ledger, which knows it, and Argilla's page."""

from typing import NamedTuple

from schemas.example import CheckResult, Draft, Seed, Trace
from schemas.review import Choice, ReviewRecord
from schemas.structure import BRANCHES, Structure


class ShownDraft(NamedTuple):
    """A revision to be judged, with all that it came from."""

    draft: Draft
    trace: Trace
    previous: Draft | None
    """The revision that an annotator edited into this one; None for what the machine made."""
    checks: tuple[CheckResult, ...]


class Shown(NamedTuple):
    """A record with its prompt. `draft` is None in the queue of labels."""

    record: ReviewRecord
    seed: Seed
    label: str | None
    """What the prompt is said to be now, and by whom ('person', 'dataset'); None: nobody said."""
    label_from: str | None
    draft: ShownDraft | None = None
    suggestion: Choice | None = None
    """The machine's decision, where the team shows it beforehand; None keeps the record blind."""
    why: tuple[str, ...] = ()
    """adjudication: the reasons of the decision that led here, each one line, without a name."""


class Boxes(NamedTuple):
    """The text boxes of a structure's records: one a stage, and one for the answer, in the order of the stages."""

    stages: tuple[str, ...]


def boxes_of(structure: Structure) -> Boxes:
    """The boxes of both branches together: a stage that a branch lacks has a box that stays empty there."""
    names = [name for branch in BRANCHES for name, _ in structure.takes(branch)]
    return Boxes(tuple(dict.fromkeys(names)))
