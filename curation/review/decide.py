"""What the answers come to. Pure: values in, a decision out, whatever the order of the answers.

    decide                  answers to one revision        -> Decision
    approve_edited          a final edit, re-assembled     -> Decision of the new revision
    adjudicate_failed_edit  an edit that a check blocks    -> Decision for the adjudicator
    decide_label            answers to one prompt          -> LabelDecision

The rules stand as a table, with examples, in docs/deciding.md. Answers of purpose 'gold' and 'repeat' do not belong
here: who calls leaves them out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from schemas.example import Branch, Label
from schemas.review import (
    AS_SHOWN,
    AnswerRight,
    Candidate,
    Choice,
    Decision,
    Kind,
    Problem,
    Queue,
    Response,
    candidate_key,
)
from schemas.settings import Review
from schemas.structure import ANSWER

SKIPS = 2
"""So many who skip a record send it to the adjudicator."""

Vote = Literal["approve", "reject", "relabel", "unsure"]
VOTES: tuple[Vote, ...] = ("approve", "reject", "relabel", "unsure")


class Asked(NamedTuple):
    """A revision that was shown, and how."""

    revision_id: str
    branch: Branch
    round: int
    """1: what the machine made; 2: the first edit of it, and so on."""
    needed: int
    """Answers that a decision waits for."""
    writers: tuple[str, ...] = ()
    """Annotators whose edits made this revision; empty for the machine's."""
    queue: Queue = "drafts"
    candidates: tuple[Candidate, ...] = ()
    """Adjudication: the edits to choose from, in the order in which `candidate_key` numbers them."""


class LabelDecision(NamedTuple):
    """What the answers to one prompt come to. Only one of kind 'person' is a label of origin 'person'."""

    label: Label | None
    """None: more answers are waited for."""
    kind: Kind
    reasons: tuple[str, ...]
    deciders: tuple[str, ...]


def decide(asked: Asked, responses: Sequence[Response], rules: Review) -> Decision:
    """What the newest answer of every annotator comes to.

    Persons' answers alone decide if they can, and then the decision is a person's. Only where they leave it waiting
    are machine accounts heard too, and then it is a machine's.
    """
    assert asked.queue != "labels", "prompts are decided by decide_label"
    assert len({response.annotator for response in responses}) == len(responses), "one answer an annotator"
    weigh = _weigh_adjudication if asked.queue == "adjudication" else _weigh_review
    persons = [response for response in responses if response.kind == "person"]
    by_persons = weigh(asked, persons, rules, "person")
    if by_persons.outcome != "waiting" or len(persons) == len(responses):
        return by_persons
    return weigh(asked, responses, rules, "machine")


def approve_edited(edited: Decision, revision_id: str) -> Decision:
    """The decision of the new revision that a final edit made. The caller has re-assembled and re-checked it."""
    assert edited.outcome == "edited"
    assert edited.final
    return edited.model_copy(
        update={"revision_id": revision_id, "outcome": "approved", "candidates": (), "final": False}
    )


def adjudicate_failed_edit(
    edited: Decision, responses: Sequence[Response], why: str, offered: Sequence[Candidate] = ()
) -> Decision:
    """For the adjudicator, since a blocking check stops the edited text. `why`: the check's reason, one line.

    `responses`: those that were decided on. Where several edits were composed, each stands alone again: it may pass
    where all together do not. `offered`: the candidates of the record, where it was the adjudicator's; all stay open.
    """
    assert edited.outcome == "edited"
    apart = _candidates(r for r in responses if r.annotator in edited.deciders and vote_of(r) == "approve")
    return edited.model_copy(
        update={
            "outcome": "adjudicate",
            "reasons": (f"the edited text is blocked: {why}", *edited.reasons),
            "candidates": tuple(offered) or (apart if len(apart) > 1 else edited.candidates),
            "answer_right": None,
            "final": False,
        }
    )


def decide_label(needed: int, responses: Sequence[Response]) -> LabelDecision:
    """What a prompt is said to be: the majority's label, 'unsure' where there is none; persons before machines."""
    assert len({response.annotator for response in responses}) == len(responses), "one answer an annotator"
    persons = [response for response in responses if response.kind == "person"]
    by_persons = _weigh_labels(needed, persons, "person")
    if by_persons.label is not None or len(persons) == len(responses):
        return by_persons
    return _weigh_labels(needed, responses, "machine")


# -- a revision, in review


def _weigh_review(asked: Asked, responses: Sequence[Response], rules: Review, kind: Kind) -> Decision:
    given = [response for response in responses if response.status == "submitted"]
    skipping = [response for response in responses if response.status == "skipped"]
    # Who wrote the text and likes it still says nothing new. Their doubts do count.
    own = [r for r in given if rules.edit_needs_second_look and r.annotator in asked.writers and _is_plain(r)]
    answers = [response for response in given if response not in own]
    approving = [response for response in answers if vote_of(response) == "approve"]
    unsafe = [response for response in given if Problem.UNSAFE in response.problems]
    notes = [f"{len(own)} approved a text of their own, which does not count"] if own else []

    def hold(reasons: Sequence[str], because: Sequence[Response] = answers) -> Decision:
        """For the adjudicator, with every edit of those who approve."""
        return Decision(
            revision_id=asked.revision_id,
            outcome="adjudicate",
            kind=kind,
            reasons=(*reasons, *notes),
            candidates=_candidates(approving),
            deciders=_names(because),
        )

    if unsafe:
        return hold([f"an unsafe detail is named in {_count(unsafe, 'answer')}: held"], unsafe)
    if len(skipping) >= SKIPS:
        return hold([f"{len(skipping)} skipped it"], skipping)
    if len(answers) < asked.needed:
        waits = f"{len(answers)} of {_count(asked.needed, 'answer')}"
        return Decision(
            revision_id=asked.revision_id,
            outcome="waiting",
            kind=kind,
            reasons=(waits, *([f"{len(skipping)} skipped it"] if skipping else []), *notes),
            deciders=_names(answers),
        )
    votes = Counter(vote_of(response) for response in answers)
    told = ", ".join(f"{votes[vote]} {vote}" for vote in VOTES if votes[vote])
    winner = next((vote for vote in votes if 2 * votes[vote] > len(answers)), None)
    edits = [response for response in answers if response.texts]
    if unused := [r for r in edits if winner in ("reject", "relabel") or r not in approving]:
        notes.append(f"edits not used: of {_count(unused, 'answer')}")
    if winner is None:
        return hold([f"no majority: {told}"])
    if winner == "unsure":
        return hold([f"the majority is unsure: {told}"])
    if winner == "approve":
        return _weigh_approval(asked, given, answers, rules, kind, [told, *notes])
    said = Counter(response.answer_right for response in answers)
    wrong = winner == "reject" and asked.branch == "benign" and 2 * said[AnswerRight.NO] > len(answers)
    return Decision(
        revision_id=asked.revision_id,
        outcome="rejected" if winner == "reject" else "relabelled",
        kind=kind,
        reasons=(told, *(["the majority says that the answer is wrong"] if wrong else []), *notes),
        label=_other(asked.branch) if winner == "relabel" else None,
        answer_right=False if wrong else None,
        deciders=_names(answers),
    )


def _weigh_approval(
    asked: Asked,
    given: Sequence[Response],
    answers: Sequence[Response],
    rules: Review,
    kind: Kind,
    reasons: list[str],
) -> Decision:
    """Most approve: what of the answer, and what of their edits?"""
    approving = [response for response in answers if vote_of(response) == "approve"]
    candidates = _candidates(approving)
    texts: dict[str, set[str]] = {}
    for response in approving:
        for stage, text in response.texts.items():
            texts.setdefault(stage, set()).add(text)
    doubts = [f"the box of {stage!r} was emptied" for stage in sorted(texts) if not all(map(str.strip, texts[stage]))]
    disputed = [stage for stage in sorted(texts) if len(texts[stage]) > 1]
    doubts += [f"{len(texts[stage])} different edits of {stage!r}" for stage in disputed]
    wrong = [r for r in given if r.answer_right == AnswerRight.NO] if asked.branch == "benign" else []
    if wrong:
        doubts.append(f"the answer is wrong, say {len(wrong)} of {len(given)}")
    # Whether an edit happened is read from the text: the option that was chosen is only told.
    if unchanged := sum(r.choice == Choice.EDIT and not r.texts for r in approving):
        reasons.append(f"{unchanged} approved with edits and changed nothing: plain approval")
    if unsaid := sum(r.choice == Choice.APPROVE and bool(r.texts) for r in approving):
        reasons.append(f"{unsaid} approved and changed a text: an edit")
    composed: tuple[Candidate, ...] = ()
    if candidates and not doubts:
        authors = _names(response for response in approving if response.texts)
        composed = (Candidate(texts={stage: min(texts[stage]) for stage in sorted(texts)}, authors=authors),)
        if asked.round > rules.rounds:
            doubts.append(f"another edit, and no round is left ({_rounds(asked, rules)})")
    if doubts:
        return Decision(
            revision_id=asked.revision_id,
            outcome="adjudicate",
            kind=kind,
            reasons=(*doubts, *reasons),
            candidates=composed or candidates,
            deciders=_names(answers),
        )
    if composed:
        reasons.append(f"edits by {len(composed[0].authors)}, of {', '.join(map(repr, composed[0].texts))}")
        if not rules.edit_needs_second_look:
            reasons.append("final: edit_needs_second_look is off")
    elif asked.writers and rules.edit_needs_second_look:
        reasons.append("an edited text, approved by who did not write it")
    right = asked.branch == "benign" and any(r.answer_right == AnswerRight.YES for r in answers)
    return Decision(
        revision_id=asked.revision_id,
        outcome="edited" if composed else "approved",
        kind=kind,
        reasons=tuple(reasons),
        candidates=composed,
        # What was said of the answer that was shown says nothing of another one.
        answer_right=True if right and ANSWER not in texts else None,
        deciders=_names(answers),
        final=bool(composed) and not rules.edit_needs_second_look,
    )


# -- a revision, before the adjudicator


def _weigh_adjudication(asked: Asked, responses: Sequence[Response], rules: Review, kind: Kind) -> Decision:
    given = [response for response in responses if response.status == "submitted"]
    sure = [response for response in given if vote_of(response) != "unsure"]
    if not given:
        return Decision(
            revision_id=asked.revision_id, outcome="waiting", kind=kind, reasons=("waits for the adjudicator",)
        )
    if not sure:
        return _stay(asked, kind, given, "the adjudicator is unsure: waits for another")
    # One answer decides. Of two adjudicators the later one has seen more.
    last = max(sure, key=lambda response: (response.answered_at, response.annotator))
    vote = vote_of(last)
    if vote == "approve":
        return _weigh_pick(asked, last, rules, kind)
    wrong = vote == "reject" and asked.branch == "benign" and last.answer_right == AnswerRight.NO
    return Decision(
        revision_id=asked.revision_id,
        outcome="rejected" if vote == "reject" else "relabelled",
        kind=kind,
        reasons=(f"the adjudicator: {vote}", *(["an edit beside it is not used"] if last.texts else [])),
        label=_other(asked.branch) if vote == "relabel" else None,
        answer_right=False if wrong else None,
        deciders=(last.annotator,),
    )


def _weigh_pick(asked: Asked, last: Response, rules: Review, kind: Kind) -> Decision:
    """The adjudicator approves: the text as shown, a candidate, words of their own, or a candidate with such words."""
    picks: dict[str | None, Candidate] = {
        candidate_key(number): candidate for number, candidate in enumerate(asked.candidates, 1)
    }
    if last.candidate not in (None, AS_SHOWN, *picks):
        return _stay(asked, kind, [last], "the candidate that was picked is none of the record's")
    if emptied := sorted(stage for stage, text in last.texts.items() if not text.strip()):
        return _stay(asked, kind, [last], *(f"the box of {stage!r} was emptied" for stage in emptied))
    picked = picks.get(last.candidate)
    before: Mapping[str, str] = picked.texts if picked else {}
    texts = {**before, **last.texts}
    added = texts != before
    if not texts and Problem.UNSAFE in last.problems:
        return _stay(asked, kind, [last], "the adjudicator approves the text as shown, yet names an unsafe detail")
    if asked.branch == "benign" and last.answer_right == AnswerRight.NO and ANSWER not in texts:
        return _stay(asked, kind, [last], "the adjudicator approves, yet says that the answer is wrong")
    wrote = added or last.annotator in (asked.writers if picked is None else picked.authors)
    looked = not wrote or not rules.edit_needs_second_look
    left = asked.round <= rules.rounds
    if not texts and not looked and left:
        return _stay(asked, kind, [last], "the adjudicator approves a text of their own: waits for another")
    authors = {*(picked.authors if picked else ()), *([last.annotator] if added else [])}
    what = "an edit that was picked" if picked else "a text of their own" if added else "the text as shown"
    if picked and added:
        what += ", with words of their own"
    if looked:
        final = "final: edit_needs_second_look is off" if wrote else "final: approved by who did not write it"
    else:
        final = "needs a second look" if left else f"final: no round is left ({_rounds(asked, rules)})"
    return Decision(
        revision_id=asked.revision_id,
        outcome="edited" if texts else "approved",
        kind=kind,
        reasons=(f"the adjudicator: approve {what}", final),
        candidates=(Candidate(texts=dict(sorted(texts.items())), authors=tuple(sorted(authors))),) if texts else (),
        answer_right=(
            True if asked.branch == "benign" and last.answer_right == AnswerRight.YES and ANSWER not in texts else None
        ),
        deciders=(last.annotator,),
        final=bool(texts) and (looked or not left),
    )


def _stay(asked: Asked, kind: Kind, answers: Sequence[Response], *reasons: str) -> Decision:
    return Decision(
        revision_id=asked.revision_id,
        outcome="adjudicate",
        kind=kind,
        reasons=reasons,
        candidates=asked.candidates,
        deciders=_names(answers),
    )


# -- a prompt


def _weigh_labels(needed: int, responses: Sequence[Response], kind: Kind) -> LabelDecision:
    answers = [response for response in responses if response.label is not None and response.status == "submitted"]
    skipping = [response for response in responses if response.status == "skipped"]
    votes = Counter(response.label for response in answers)
    told = ", ".join(f"{votes[label]} {label}" for label in Label if votes[label])
    if len(answers) < needed:
        if len(skipping) >= SKIPS:
            return LabelDecision(Label.UNSURE, kind, (f"{len(skipping)} skipped it",), _names(skipping))
        return LabelDecision(None, kind, (f"{len(answers)} of {_count(needed, 'answer')}",), _names(answers))
    winner = next((label for label in votes if 2 * votes[label] > len(answers)), None)
    if winner is None:
        return LabelDecision(Label.UNSURE, kind, (f"no majority: {told}",), _names(answers))
    return LabelDecision(winner, kind, (told,), _names(answers))


# -- answers


def vote_of(response: Response) -> Vote:
    """What a submitted answer counts as: an approval with or without edits is one, a wrong label goes before all."""
    if Problem.LABEL in response.problems:
        return "relabel"
    if response.choice in (Choice.APPROVE, Choice.EDIT):
        return "approve"
    return "reject" if response.choice == Choice.REJECT else "unsure"


def _is_plain(response: Response) -> bool:
    return vote_of(response) == "approve" and not response.texts


def _candidates(approving: Iterable[Response]) -> tuple[Candidate, ...]:
    """Every distinct edit with its authors, in an order that depends on the texts alone. An emptied box is no text."""
    authors: dict[tuple[tuple[str, str], ...], set[str]] = {}
    for response in approving:
        texts = tuple(sorted((stage, text) for stage, text in response.texts.items() if text.strip()))
        if texts:
            authors.setdefault(texts, set()).add(response.annotator)
    return tuple(Candidate(texts=dict(texts), authors=tuple(sorted(authors[texts]))) for texts in sorted(authors))


def _other(branch: Branch) -> Label:
    return Label.BENIGN if branch == "harmful" else Label.HARMFUL


def _names(responses: Iterable[Response]) -> tuple[str, ...]:
    return tuple(sorted(response.annotator for response in responses))


def _count(things: Sequence[object] | int, name: str) -> str:
    number = things if isinstance(things, int) else len(things)
    return f"{number} {name}{'' if number == 1 else 's'}"


def _rounds(asked: Asked, rules: Review) -> str:
    return f"this is round {asked.round}, rounds = {rules.rounds}"
