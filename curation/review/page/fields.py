"""What annotators see of a record: the fields of Argilla's page, as HTML that is built here.

    prompt       as it was asked; not HTML
    draft        the altered reasoning stage by stage, and why this row may need attention
    candidates   adjudication: the edits to choose from, beside each other
    changes      what became of the original trace, and the trace itself; folded until opened
    own_text     what passages are marked in; not HTML

Every text in a record is hostile: it reaches the page through `inert` only. A field is one block of HTML on one line,
because the page reads it as Markdown first, and takes what it likes from its style sheet: without it, all is legible.
"""

from collections.abc import Iterable, Iterator

from curation.review.page.difference import Run, against_trace, compare
from curation.review.page.inert import inert, inert_plain, visible
from curation.review.page.own_text import LONG, OwnText
from curation.review.page.style import STYLE
from curation.review.shown import Shown, ShownDraft
from schemas.example import Draft, Origin, Piece, Stage
from schemas.review import Candidate
from schemas.structure import ANSWER

STAGES = ("understanding", "assessment", "reasoning", ANSWER)
"""Stages with a colour of their own; any other name has the last one."""

KEPT, CUT = 240, 1200
"""Characters of a long run that stay in a diff against the trace, of what was kept and of what was cut."""

ORIGINS: dict[Origin, str] = {
    "trace": "cut from the original reasoning, word for word",
    "answer": "the original answer, word for word",
    "written": "written by the LLM",
    "drawn": "drawn from our wordings",
    "person": "typed by a person",
}
MARKED: tuple[Origin, ...] = ("written", "drawn", "person")
OF_LABEL = {"person": "a person", "dataset": "the dataset", "model": "the model"}


def fields_of(shown: Shown) -> dict[str, str]:
    """The text of every field of the record's page, by the name of the field. Never raises for what a text holds."""
    fields = {"prompt": inert_plain(visible(shown.seed.prompt))}
    if shown.draft is None:
        return fields
    fields["draft"] = _block(f"<style>{STYLE}</style>", *_draft(shown, shown.draft))
    if shown.record.queue == "adjudication":
        fields["candidates"] = _block(*_candidates(shown, shown.draft.draft))
    fields["changes"] = _block(*_changes(shown.draft))
    fields["own_text"] = OwnText(shown.draft.draft).html
    return fields


def title_of(stage: str) -> str:
    """A stage's name as people read it."""
    return stage.replace("_", " ").capitalize()


def letter_of(number: int) -> str:
    """What a candidate is called on the page: 1 is A, 2 is B, …"""
    return chr(ord("A") + number - 1)


def _block(*parts: str) -> str:
    return f'<div class="cu">{"".join(parts)}</div>'


def _draft(shown: Shown, judged: ShownDraft) -> Iterator[str]:
    draft = judged.draft
    yield from _head(shown, judged)
    for number, stage in enumerate(draft.stages, 1):
        yield _stage(draft, stage, number)
    yield _legend(draft)


def _head(shown: Shown, judged: ShownDraft) -> Iterator[str]:
    draft = judged.draft
    told = (
        "The thinking should stop, and the answer decline."
        if draft.branch == "harmful"
        else "The thinking should go on, and the answer help."
    )
    said = (
        f"Said to be {inert(shown.label)} by {inert(OF_LABEL.get(shown.label_from or '', 'someone'))}."
        if shown.label
        else "Nobody has labelled the prompt: the model's own verdict chose the branch."
    )
    sign = "■" if draft.branch == "harmful" else "●"
    yield f'<div class="cu-head"><span class="cu-branch cu-{draft.branch}">{sign} {draft.branch.upper()}</span> '
    yield f"<span>{told} {said}</span></div>"
    if judged.previous is not None:
        yield '<div class="cu-note"><b>Edited by a reviewer.</b> The edit stands below, under “Changes”.</div>'
    if judged.checks:
        reasons = "".join(f"<li>{inert(check.reason)}</li>" for check in judged.checks)
        yield f'<div class="cu-note"><b>Look closely:</b><ul>{reasons}</ul></div>'


def _stage(draft: Draft, stage: Stage, number: int) -> str:
    origins = dict.fromkeys(ORIGINS[piece.origin] for piece in stage.pieces)
    text = "".join(_piece(draft, stage, piece) for piece in stage.pieces)
    name = f"<b>{number} · {inert(title_of(stage.name))}</b> <small>{', '.join(origins)}</small>"
    return f'<div class="cu-stage cu-{_colour(stage.name)}"><div class="cu-name">{name}</div>{text}</div>'


def _piece(draft: Draft, stage: Stage, piece: Piece) -> str:
    text = piece.span.of(draft.completion)
    if piece.origin in MARKED:
        return _text(text, f"cu-{piece.origin}")
    # A benign answer is never folded: whether it is right is what the reviewer is asked.
    if len(text) <= LONG or (stage.name == ANSWER and draft.branch == "benign"):
        return _text(text)
    source = "reasoning" if piece.origin == "trace" else "answer"
    return _folded(f"The original {source}, unchanged: {len(text):,} characters", _text(text))


def _legend(draft: Draft) -> str:
    there = {piece.origin for stage in draft.stages for piece in stage.pieces}
    marks = [f'<span class="cu-{origin}">{ORIGINS[origin]}</span>' for origin in MARKED if origin in there]
    plain = ["not marked: word for word from the original"] if there - {*MARKED} else []
    return f'<div class="cu-legend">{" · ".join(marks + plain)}</div>'


def _candidates(shown: Shown, draft: Draft) -> Iterator[str]:
    why = "".join(f"<li>{inert(reason)}</li>" for reason in shown.why)
    if why:
        yield f'<div class="cu-note"><b>Why this is here:</b><ul>{why}</ul></div>'
    if not shown.record.candidates:
        yield "<div>No edit to choose from.</div>"
        return
    yield '<div class="cu-beside">'
    for number, candidate in enumerate(shown.record.candidates, 1):
        yield f'<div class="cu-candidate"><div class="cu-name"><b>{letter_of(number)}</b></div>'
        yield from _candidate(draft, candidate)
        yield "</div>"
    yield "</div>"


def _candidate(draft: Draft, candidate: Candidate) -> Iterator[str]:
    names = [stage.name for stage in draft.stages]
    for name in sorted(candidate.texts, key=lambda name: names.index(name) if name in names else len(names)):
        yield f'<div class="cu-stage cu-{_colour(name)}"><div class="cu-name"><b>{inert(title_of(name))}</b></div>'
        yield f"{_difference(compare(draft.text(name), candidate.texts[name]))}</div>"


def _changes(judged: ShownDraft) -> Iterator[str]:
    draft, trace = judged.draft, judged.trace
    if judged.previous is not None:
        yield from _edit(judged.previous, draft)
    runs = against_trace(draft, trace)
    cut = sum(len(run.text) for run in runs if run.kind == "cut")
    put = sum(len(run.text) for run in runs if run.kind == "put")
    yield _folded(
        f"Against the original reasoning: {cut:,} of {len(trace.text):,} characters cut, {put:,} put in",
        _warning(draft) + _difference(_shortened(runs)),
    )
    yield _folded(f"The original reasoning: {len(trace.text):,} characters", _warning(draft) + _text(trace.text))
    yield _folded(f"The original answer: {len(trace.answer):,} characters", _warning(draft) + _text(trace.answer))


def _edit(previous: Draft, draft: Draft) -> Iterator[str]:
    names = dict.fromkeys(stage.name for revision in (previous, draft) for stage in revision.stages)
    same = [name for name in names if previous.text(name) == draft.text(name)]
    yield '<div class="cu-name"><b>What the edit changed</b></div>'
    for name in names:
        if name not in same:
            yield f'<div class="cu-stage cu-{_colour(name)}"><div class="cu-name"><b>{inert(title_of(name))}</b></div>'
            yield f"{_difference(compare(previous.text(name), draft.text(name)))}</div>"
    if same:
        yield f'<div class="cu-legend">Not changed: {", ".join(inert(title_of(name)) for name in same)}.</div>'


def _shortened(runs: Iterable[Run]) -> Iterator[Run]:
    """The diff with the middle of its long runs left out: both texts stand whole beside it."""
    for run in runs:
        most = {"same": KEPT, "cut": CUT}.get(run.kind, len(run.text))
        left_out = len(run.text) - most
        if left_out < most // 2:
            yield run
        else:
            half = most // 2
            yield run._replace(text=f"{run.text[:half]} [… {left_out:,} characters …] {run.text[-half:]}")


def _difference(runs: Iterable[Run]) -> str:
    tags = {"same": "span", "cut": "del", "put": "ins"}
    parts = (f"<{tags[run.kind]}>{inert(run.text)}</{tags[run.kind]}>" for run in runs)
    return f'<div class="cu-text" style="white-space:pre-wrap" dir="auto">{"".join(parts)}</div>'


def _warning(draft: Draft) -> str:
    return '<div class="cu-note">This may hold harmful text.</div>' if draft.branch == "harmful" else ""


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def _text(text: str, classes: str = "") -> str:
    return f'<span class="cu-text {classes}" style="white-space:pre-wrap" dir="auto">{inert(text)}</span>'


def _colour(stage: str) -> str:
    return stage if stage in STAGES else "other"
