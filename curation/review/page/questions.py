"""What annotators are asked, as a dataset of Argilla: its settings, its records, and whether someone changed it.

    labels        label (harmful, benign, unsure), comment
    drafts        decision, answer_right, problems, a text box a stage, spans, comment; `calibration` likewise
    adjudication  those of `drafts`, and which candidate

What comes back is read by `answers.py`. Argilla's SDK takes a second to import, so it is imported only where used; it
makes settings only after a client was made (`rg.Argilla(...)`), the last of which it holds as its default.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from curation.review.page.fields import fields_of, letter_of, title_of
from curation.review.page.inert import storable, visible
from curation.review.page.own_text import LONG
from curation.review.shown import Shown, boxes_of
from schemas.example import Draft, Label, Stage
from schemas.review import AS_SHOWN, AnswerRight, Choice, Problem, Queue, candidate_key
from schemas.structure import ANSWER, Structure

if TYPE_CHECKING:
    import argilla as rg

DISTRIBUTION = "answers that complete a record"
"""What `differs` begins with where nothing but the distribution was changed: it is compared last."""

BOX = "text_"
"""What the name of a stage's text box begins with."""

MOST_CANDIDATES = 9
"""As many as a record can have annotators."""

LABELS = {Label.HARMFUL: "Harmful", Label.BENIGN: "Benign", Label.UNSURE: "Unsure"}
CHOICES = {
    Choice.APPROVE: "Approve as it is",
    Choice.EDIT: "Approve with my edits",
    Choice.REJECT: "Reject",
    Choice.UNSURE: "Unsure",
}
ANSWERS = {AnswerRight.YES: "Yes", AnswerRight.NO: "No", AnswerRight.CANNOT_TELL: "Cannot tell"}
PROBLEMS = {
    Problem.UNDERSTANDING: ("Understanding wrong", "it does not say what the prompt asks"),
    Problem.REASON: ("Reason wrong or vague", "it does not say what harm is done to whom, or why none is"),
    Problem.BRANCH: ("Branch does not follow", "says harmful and goes on, or says harmless and stops"),
    Problem.UNSAFE: ("Unsafe detail", "something in it would help to do harm"),
    Problem.OVER_REFUSAL: ("Over-refusal", "it declines what may be answered"),
    Problem.ANSWER: ("Answer wrong", "the final answer is wrong or does not answer"),
    Problem.STYLE: ("Style", "cold, preaching, clumsy, or in another language"),
    Problem.LABEL: ("Label wrong", "the prompt is benign and called harmful, or the other way round"),
}
CANDIDATES = {AS_SHOWN: "The text as shown"} | {
    candidate_key(number): letter_of(number) for number in range(1, MOST_CANDIDATES + 1)
}

FIELD_TITLES = {
    "prompt": "Prompt",
    "draft": "The altered reasoning, and the answer",
    "candidates": "Candidates",
    "changes": "Changes",
    "own_text": "To mark passages in (optional): choose a problem under “Mark passages”, then drag over the words",
}
PLAIN_FIELDS = frozenset({"prompt", "own_text"})


def settings_for(queue: Queue, structure: Structure, guidelines: str, min_submitted: int) -> "rg.Settings":
    """The settings of the dataset that holds `queue`.

    `guidelines`: at most 10,000 characters of Markdown. `min_submitted`: answers after which a record is complete.
    """
    import argilla as rg

    return rg.Settings(
        fields=[
            rg.TextField(name, FIELD_TITLES[name], use_markdown=name not in PLAIN_FIELDS, required=name == "prompt")
            for name in _field_names(queue)
        ],
        questions=[*(_label_questions() if queue == "labels" else _draft_questions(queue, structure))],
        metadata=[*_metadata_properties(queue)],
        guidelines=guidelines,
        distribution=rg.TaskDistribution(min_submitted),
    )


def to_argilla(shown: Shown) -> "rg.Record":
    """The record as it is sent to the dataset of its queue; its external id is the review record's id."""
    import argilla as rg

    suggestions = [rg.Suggestion(BOX + stage, text) for stage, text in prefilled(shown).items()]
    if shown.suggestion is not None:
        suggestions.append(rg.Suggestion("decision", shown.suggestion.value))
    return rg.Record(
        id=shown.record.id, fields={**fields_of(shown)}, metadata=metadata_of(shown), suggestions=suggestions
    )


def prefilled(shown: Shown) -> dict[str, str]:
    """The text that stands in a stage's box beforehand, for those that have one. No other box has any."""
    if shown.draft is None:
        return {}
    draft = shown.draft.draft
    filled = {stage.name: storable(draft.text(stage.name)) for stage in draft.stages if _is_editable(draft, stage)}
    return {name: text for name, text in filled.items() if text}


def metadata_of(shown: Shown) -> dict[str, Any]:
    """What the queue is filtered and ordered by. `position` and `assigned` are hidden from annotators."""
    record, seed = shown.record, shown.seed
    found: dict[str, Any] = {
        "position": record.position,
        "assigned": [*record.assigned],
        "round": record.round,
        "category": visible(seed.category) if seed.category else None,
        "source": visible(seed.source),
        "style": seed.style,
        "current_label": shown.label,
        "characters": len(seed.prompt),
    }
    if shown.draft is not None:
        draft = shown.draft.draft
        found |= {
            "branch": draft.branch,
            "flags": [check.rule for check in shown.draft.checks],
            "kind_of_text": "edited" if shown.draft.previous is not None else "new",
            "characters": len(seed.prompt) + len(draft.completion),
        }
    return {name: value for name, value in found.items() if value not in (None, [])}


def differs(found: "rg.Settings", wanted: "rg.Settings") -> str | None:
    """One line that names what of `found`, a dataset's settings, someone changed so that `wanted` fits no longer.

    Titles, descriptions and guidelines may differ: no answer is read by them.
    """
    for kind in ("fields", "questions", "metadata"):
        has, needs = _shapes(found, kind), _shapes(wanted, kind)
        word = {"fields": "field", "questions": "question", "metadata": "metadata property"}[kind]
        for name in needs:
            if name not in has:
                return f"{word} {name!r} is gone"
            if changed := [part for part in needs[name] if has[name].get(part) != needs[name][part]]:
                return f"{word} {name!r}: {' and '.join(changed)} changed"
        if added := [name for name in has if name not in needs]:
            return f"{word} {added[0]!r} was added"
    if found.distribution.min_submitted != wanted.distribution.min_submitted:
        asked, has_now = wanted.distribution.min_submitted, found.distribution.min_submitted
        return f"{DISTRIBUTION}: {has_now} instead of {asked}"
    return None


def _field_names(queue: Queue) -> tuple[str, ...]:
    if queue == "labels":
        return ("prompt",)
    return ("prompt", "draft", *(("candidates",) if queue == "adjudication" else ()), "changes", "own_text")


def _label_questions() -> "Iterator[rg.LabelQuestion | rg.TextQuestion]":
    import argilla as rg

    yield rg.LabelQuestion(
        "label",
        _options(LABELS),
        title="Would a helpful answer to this prompt do harm?",
        description="Judge what is asked for, not how it is worded. Unsure is an answer too.",
    )
    yield _comment()


def _draft_questions(
    queue: Queue, structure: Structure
) -> "Iterator[rg.LabelQuestion | rg.MultiLabelQuestion | rg.TextQuestion | rg.SpanQuestion]":
    import argilla as rg

    if queue == "adjudication":
        yield rg.LabelQuestion(
            "candidate",
            _options(CANDIDATES),
            title="Which text stands?",
            description="Only letters that the record shows. Your own edits below come on top of it.",
        )
    yield rg.LabelQuestion("decision", _options(CHOICES), title="Your decision")
    yield rg.LabelQuestion(
        "answer_right",
        _options(ANSWERS),
        title="Benign rows: is the final answer right?",
        description="Answer it on every benign row: nobody vouches for an approved answer otherwise.",
        required=False,
    )
    problems = _options({problem: title for problem, (title, _) in PROBLEMS.items()})
    meanings = "  \n".join(f"{title}: {meaning}." for title, meaning in PROBLEMS.values())
    yield rg.MultiLabelQuestion(
        "problems",
        problems,
        title="Problems, where you do not approve it as it is",
        description=meanings,
        required=False,
        visible_labels=len(problems),
    )
    for stage in boxes_of(structure).stages:
        yield rg.TextQuestion(
            BOX + stage,
            title=f"Text: {title_of(stage)}",
            description="Leave it as it is to keep it; type to change it. An empty box belongs to text cut word for "
            "word: type there only to replace all of it.",
            required=False,
        )
    yield rg.SpanQuestion("spans", "own_text", problems, title="Mark passages (optional)", required=False)
    yield _comment()


def _comment() -> "rg.TextQuestion":
    import argilla as rg

    return rg.TextQuestion("comment", title="Comment (optional)", required=False)


def _metadata_properties(queue: Queue) -> "Iterator[rg.TermsMetadataProperty | rg.IntegerMetadataProperty]":
    import argilla as rg

    # Where the label is what is asked, whatever hints at it is hidden.
    open_to_all = queue != "labels"
    yield rg.IntegerMetadataProperty("position", title="Position", visible_for_annotators=False)
    yield rg.TermsMetadataProperty("assigned", title="Assigned to", visible_for_annotators=False)
    yield rg.IntegerMetadataProperty("characters", title="Characters")
    for name, title in (("category", "Category"), ("source", "Source"), ("style", "Style"), ("current_label", "Label")):
        yield rg.TermsMetadataProperty(name, title=title, visible_for_annotators=open_to_all)
    yield rg.IntegerMetadataProperty("round", title="Round", visible_for_annotators=open_to_all)
    if queue != "labels":
        for name, title in (("branch", "Branch"), ("flags", "Flags"), ("kind_of_text", "Kind of text")):
            yield rg.TermsMetadataProperty(name, title=title)


def _options(titles: Mapping[Any, str]) -> dict[str, str]:
    return {str(value): title for value, title in titles.items()}


def _is_editable(draft: Draft, stage: Stage) -> bool:
    """Whether the box holds the text: not where it is verbatim, or a short wording before a long verbatim text."""
    origins = {piece.origin for piece in stage.pieces}
    if "person" in origins or (stage.name == ANSWER and draft.branch == "harmful"):
        return True
    verbatim = sum(p.span.end - p.span.start for p in stage.pieces if p.origin in ("trace", "answer"))
    return not origins <= {"trace", "answer"} and verbatim <= LONG


def _shapes(settings: "rg.Settings", kind: str) -> dict[str, dict[str, object]]:
    """What reading depends on of each field, question or metadata property, by its name."""
    parts: Mapping[str, tuple[str, ...]] = {
        "fields": ("type", "use_markdown"),
        "questions": ("type", "options", "field", "use_markdown", "allow_overlapping"),
        "metadata": ("type",),
    }
    shapes = {}
    for entry in settings.serialize()[kind]:
        inner = entry["settings"]
        shape = {part: _values(inner.get(part)) for part in parts[kind] if part in inner}
        if kind == "questions":
            shape["required"] = entry["required"]
        if kind == "metadata":
            shape["visibility"] = entry["visible_for_annotators"]
        shapes[entry["name"]] = shape
    return shapes


def _values(setting: object) -> object:
    return [option["value"] for option in setting] if isinstance(setting, list) else setting
