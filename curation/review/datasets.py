"""The datasets in Argilla: one a queue, and of drafts one a structure too. Found, made, and held to their settings.

labels                      prompts                              workspace `curate`
alttrain-calibration        the first drafts, everybody's        workspace `curate`
alttrain-drafts             the others                           workspace `curate`
alttrain-adjudication       what annotators could not settle     workspace `curate-adjudication`
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curation.review.annotators import workspace_of
from curation.review.assign import asked
from curation.review.connect import readable
from curation.review.page.questions import DISTRIBUTION, differs, settings_for
from schemas.errors import ReviewError
from schemas.review import Annotator, Queue
from schemas.settings import Review
from schemas.structure import Structure

if TYPE_CHECKING:
    import argilla as rg


def dataset_name(queue: Queue, structure: str) -> str:
    return "labels" if queue == "labels" else f"{structure}-{queue}"


def workspace_name(queue: Queue, rules: Review) -> str:
    """Adjudication has a workspace of its own, which annotators are no members of."""
    return workspace_of(rules.workspace, "adjudicator" if queue == "adjudication" else "annotator")


def answers_to_complete(queue: Queue, rules: Review, annotators: Sequence[Annotator]) -> int:
    """After how many answers Argilla itself takes a record out of everybody's queue."""
    match queue:
        case "labels":
            return rules.label_overlap
        case "calibration":
            return max(1, len(asked(annotators)))
        case "drafts":
            return rules.overlap
        case "adjudication":
            return 1


def find_dataset(argilla: "rg.Argilla", queue: Queue, structure: str, rules: Review) -> "rg.Dataset | None":
    """The queue's dataset, or None where Argilla has none. Raises ReviewError."""
    with readable(argilla.api_url):
        workspace = argilla.workspaces(workspace_name(queue, rules))
        if workspace is None:
            return None
        found: rg.Dataset | None = argilla.datasets(dataset_name(queue, structure), workspace=workspace)
        return found


def open_dataset(
    argilla: "rg.Argilla",
    queue: Queue,
    structure: Structure,
    guidelines: str,
    rules: Review,
    annotators: Sequence[Annotator],
) -> "rg.Dataset":
    """The queue's dataset, made where there is none, with the guidelines of now.

    Raises ReviewError: Argilla's troubles, or someone changed in the page what our answers are read by.
    """
    import argilla as rg

    name, where = dataset_name(queue, structure.name), workspace_name(queue, rules)
    wanted = settings_for(queue, structure, guidelines, answers_to_complete(queue, rules, annotators))
    with readable(argilla.api_url):
        workspace = argilla.workspaces(where) or rg.Workspace(name=where, client=argilla).create()
        found = argilla.datasets(name, workspace=workspace)
        if found is None:
            return rg.Dataset(name=name, workspace=workspace, settings=wanted, client=argilla).create()
        found.settings.get()
        change = differs(found.settings, wanted)
        if change is not None and change.startswith(DISTRIBUTION):
            # The team has grown or the rules have changed; answers are read the same.
            found.settings.distribution = wanted.distribution
            found.settings.guidelines = guidelines
            found.settings.update()
            return found
        if change is not None:
            raise ReviewError(
                f"{argilla.api_url}: dataset {name}: {change} in the page since it was made: change it back there, or "
                "`curate review pull` and delete the dataset: the next push makes it anew"
            )
        if found.settings.guidelines != guidelines:
            found.settings.guidelines = guidelines
            found.settings.update()
        return found
