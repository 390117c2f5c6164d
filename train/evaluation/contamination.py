"""Prompts that a run has trained on are not asked of its model: found by their words, their family or their source.

kept, found = decontaminate(load("xstest", file), trained_in(Path("runs/first")))        refused
asked, found = decontaminate(load("xstest", file), trained_in(Path("runs/first")), mark=True)   asked, and marked
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from schemas.errors import TrainError
from schemas.evaluation import Asked
from schemas.example import Frozen
from train.evaluation.suites import HELD_OUT, find
from train.record import MODEL, RECORD, ROWS, read_record, read_rows


class Trained(Frozen):
    """What runs were trained on."""

    prompts: frozenset[str] = Field(default=frozenset(), description="their words; empty where rows are not there")
    families: frozenset[str] = frozenset()
    sources: frozenset[str] = Field(default=frozenset(), description="case-folded")
    rows_known: bool = Field(default=True, description="False: a record without its rows, told apart by the rest only")


def trained_in(*runs: Path) -> Trained:
    """What these runs trained on, together: folders of runs, of their models, or of merged ones with a record in them.

    Raises TrainError where a folder has no record.
    """
    prompts: set[str] = set()
    families: set[str] = set()
    sources: set[str] = set()
    rows_known = True
    for run in runs:
        folder = next((one for one in (run, run.parent) if (one / RECORD).exists()), run)
        record = read_record(folder)
        if record is None or (folder == run.parent and run.name != MODEL):
            raise TrainError(f"{run}: has no {RECORD}, so nothing says what it trained on")
        families |= set(record.trained_families)
        sources |= {source.casefold() for source in record.trained_sources}
        if (folder / ROWS).exists():
            prompts |= {words_in(row.instruction) for row in read_rows(folder / ROWS)}
        else:
            rows_known = False
    return Trained(
        prompts=frozenset(prompts), families=frozenset(families), sources=frozenset(sources), rows_known=rows_known
    )


def decontaminate(asked: Sequence[Asked], trained: Trained, mark: bool = False) -> tuple[list[Asked], int]:
    """The prompts that may be asked, and how many were trained on. `mark`: these are asked too, with `trained` set."""
    found = {one.id for one in asked if is_trained(one, trained)}
    if mark:
        return [one.model_copy(update={"trained": one.id in found}) for one in asked], len(found)
    return [one for one in asked if one.id not in found], len(found)


def is_trained(asked: Asked, trained: Trained) -> bool:
    """By the words of the prompt, its family, its own source, or a name of its whole suite."""
    if words_in(asked.prompt) in trained.prompts or asked.family in trained.families:
        return True
    return not trained.sources.isdisjoint(_names(asked))


def words_in(prompt: str) -> str:
    """What makes a prompt here: its words and numbers, whatever case, blanks and marks are about them."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", prompt).casefold())) or prompt


def _names(asked: Asked) -> set[str]:
    """Of what a trained-on list would call it. The suite of our own has families instead."""
    if asked.suite == HELD_OUT:
        return set()
    suite = find(asked.suite)
    names = {*suite.names, *([asked.source] if asked.source else [])}
    # Where a name has a split, only that split is asked, and a run may have trained on another one of the same set.
    if not any(":" in name for name in suite.names):
        names |= {suite.name, suite.hub.id if suite.hub else suite.name}
    return {name.casefold() for name in names}
