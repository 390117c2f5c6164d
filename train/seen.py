"""Counts how often each row really reached the model, so that a run can be held against what it promised.

A data collator that looks through: rows are known by their tokens. Blank rows, which make the shares of several
processes even and train nothing, are no rows.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from train.templates import MASKED, Encoded

if TYPE_CHECKING:
    from datasets import Dataset

Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]


class Seen:
    """Wraps a collator; `times[id]` is how often a row of that id was handed on by this process."""

    def __init__(self, collate: Collate, rows: Sequence[Encoded]) -> None:
        self._collate = collate
        self._ids = {tuple(row.input_ids): row.id for row in rows}
        self.times: Counter[str] = Counter()

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        for example in examples:
            at = 0
            for length in example.get("seq_lengths") or [len(example["input_ids"])]:
                tokens = tuple(example["input_ids"][at : at + length])
                if any(label != MASKED for label in example["labels"][at : at + length]):
                    self.times[self._ids[tokens]] += 1
                at += length
        return self._collate(examples)

    def times_a_row(self, ids: Sequence[str]) -> tuple[int, int]:
        """The fewest and the most times that a row of these was handed on, by all processes together."""
        from accelerate.utils import gather_object

        total: Counter[str] = Counter()
        for held in gather_object([dict(self.times)]):
            total.update(held)
        return min(total[id] for id in ids), max(total[id] for id in ids)


def fill_up(dataset: "Dataset", share: int) -> "Dataset":
    """The dataset with as many rows more, which train nothing, as make it a multiple of `share`.

    Without them accelerate would repeat real rows at the end of every epoch, to give each process as many.
    """
    from datasets import Dataset, concatenate_datasets

    if not (missing := -len(dataset) % share):
        return dataset
    ids = min(dataset["input_ids"], key=len)
    blank = {"input_ids": ids, "labels": [MASKED] * len(ids), "seq_lengths": [len(ids)]}
    blanks = [{name: blank[name] for name in dataset.column_names}] * missing
    return concatenate_datasets([dataset, Dataset.from_list(blanks, features=dataset.features)])
