"""An annotator's edit becomes a new revision: assembled again, every run of characters keeps or gains its origin.

What an edit leaves alone at the start and the end of a stage keeps its origin, the words between are the editor's:

    drawn "This is harmful because " + written "it is bad" + drawn "."
    edit  "This is harmful because it takes money from people."
    now   drawn "This is harmful because " + written "it " + person "takes money from people" + drawn "."

A drawn wording is kept whole or not at all: a part of it is nothing that was drawn.
"""

from collections.abc import Mapping, Sequence

from curation.assembly import Run, assemble, runs_of
from schemas.example import Draft, Failure, Origin
from schemas.review import Kind


def revise(draft: Draft, texts: Mapping[str, str], kind: Kind) -> Draft | Failure:
    """The next revision of a draft, with the text of the named stages changed, or why there can be none.

    `texts`: stage name to its whole new text; line ends become newlines and white space around it goes. `kind`: of
    the account that typed it. A machine's words count as written, so that every rule binds them.
    """
    origin: Origin = "person" if kind == "person" else "written"
    stages = runs_of(draft)
    known = {name for name, _ in stages}
    if missing := sorted(set(texts) - known):
        return Failure(kind="no_stage", reason=f"the draft has no stage {missing[0]!r} to edit")
    changed = []
    reason = draft.reason
    for name, runs in stages:
        if name not in texts:
            changed.append((name, runs))
            continue
        text = plain(texts[name])
        if not text:
            return Failure(kind="emptied", reason=f"an edit leaves nothing of {name}")
        if reason is not None and (slot := _slot(runs, reason)) is not None:
            edited, reason = _edited_assessment(runs, slot, text, origin)
        else:
            edited = _edited(runs, text, origin)
        changed.append((name, edited))
    made = assemble(changed)
    if isinstance(made, Failure):
        return Failure(kind=made.kind, reason="an edit holds a thinking tag")
    return draft.model_copy(
        update={
            "revision": draft.revision + 1,
            "completion": made.completion,
            "stages": made.stages,
            "reason": reason,
        }
    )


def plain(text: str) -> str:
    """A text as it is compared and kept: newlines for every line end, no white space around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _slot(runs: Sequence[Run], reason: str) -> tuple[int, int] | None:
    """Where the reason stands among the runs of a drawn wording (first run, and the one after); None: not there."""
    drawn = [number for number, run in enumerate(runs) if run.origin == "drawn"]
    for first in range(len(runs)):
        for end in range(first + 1, len(runs) + 1):
            if drawn and "".join(run.text for run in runs[first:end]) == reason:
                return first, end
    return None


def _edited_assessment(
    runs: Sequence[Run], slot: tuple[int, int], text: str, origin: Origin
) -> tuple[list[Run], str | None]:
    """The edited runs of a wording with a reason in it, and the reason that stands there now.

    Where the wording itself was touched the sentence is the editor's own, and its reason is in no slot any more.
    """
    head, middle, tail = runs[: slot[0]], runs[slot[0] : slot[1]], runs[slot[1] :]
    start, end = sum(len(run.text) for run in head), sum(len(run.text) for run in tail)
    before, after = "".join(run.text for run in head), "".join(run.text for run in tail)
    reason = text[start : len(text) - end]
    if not (text.startswith(before) and text.endswith(after) and reason.strip()):
        return [Run(text, origin)], None
    return [*head, *_edited(middle, reason, origin), *tail], reason


def _edited(runs: Sequence[Run], text: str, origin: Origin) -> list[Run]:
    old = "".join(run.text for run in runs)
    if old == text:
        return list(runs)
    start = _outside_drawn(runs, _shared(old, text))
    tail = _shared(old[start:][::-1], text[start:][::-1])
    tail = _outside_drawn([run._replace(text=run.text[::-1]) for run in reversed(runs)], tail)
    middle = Run(text[start : len(text) - tail], origin)
    kept = [*_slice(runs, 0, start), middle, *_slice(runs, len(old) - tail, len(old))]
    return [run for run in kept if run.text]


def _outside_drawn(runs: Sequence[Run], kept: int) -> int:
    """`kept` characters of the runs, or fewer: none of a drawn run that is not kept whole."""
    at = 0
    for run in runs:
        if run.origin == "drawn" and at < kept < at + len(run.text):
            return at
        at += len(run.text)
    return kept


def _shared(one: str, other: str) -> int:
    """How many characters both begin with, up to the end of a word in both: half a word has no origin of its own."""
    pairs = enumerate(zip(one, other, strict=False))
    end = next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))
    while end and (_inside_word(one, end) or _inside_word(other, end)):
        end -= 1
    return end


def _inside_word(text: str, at: int) -> bool:
    return at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


def _slice(runs: Sequence[Run], start: int, end: int) -> list[Run]:
    """The characters from `start` to `end` of the runs' text, each with where it came from."""
    sliced, at = [], 0
    for run in runs:
        first, last = max(start, at), min(end, at + len(run.text))
        if first < last:
            moved = None if run.source_start is None else run.source_start + first - at
            sliced.append(run._replace(text=run.text[first - at : last - at], source_start=moved))
        at += len(run.text)
    return sliced
