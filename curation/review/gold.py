"""Gold: revisions whose right answer is known, and how annotators do on them.

    add_gold(ledger, "d07be….1", "approve", "yes", author)   someone says what is right
    fill_gold(ledger, 20)     makes gold of what adjudicators decided, and of what a first round agreed on
    measure(ledger)           how often each annotator is right, and agrees with themselves

Only persons' decisions become gold. The lead alone sees the figures, and they say little before some dozens of answers.
Who is shown what, and when, is hidden.py's.
"""

import json
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Literal, NamedTuple, cast

from pydantic import Field

from curation.ledger import Ledger, now
from curation.review.queue import fraction
from schemas.errors import UsageError
from schemas.example import Branch, Frozen
from schemas.report import Rate
from schemas.review import Kind

Right = Literal["approve", "reject"]
YesNo = Literal["yes", "no"]

BEGINNING = 200
"""How many characters of a prompt stand in a list."""

_SIDE = "CASE choice WHEN 'approve_with_edits' THEN 'approve' ELSE choice END"


class Gold(Frozen):
    """A revision whose right answer is known, and how it was answered so far."""

    revision_id: str
    structure: str
    branch: Branch
    category: str | None
    choice: Right
    answer_right: YesNo | None = Field(description="benign: whether the final answer is right; None: nobody said")
    author: str = Field(description="who says so")
    at: str
    prompt: str
    choices: Rate = Field(description="how often annotators chose right; an edit counts as an approval")


class Measured(Frozen):
    """How someone does on hidden records. `unsure` is not right, and a skipped record does not count."""

    name: str
    kind: Kind
    choices: Rate = Field(description="gold: decided right; an edit counts as an approval")
    answers: Rate = Field(description="gold, benign: said right whether the final answer is right")
    repeats: Rate = Field(description="shown again: decided as before")


class _Decided(NamedTuple):
    revision_id: str
    branch: str
    choice: Right
    answer_right: YesNo | None
    author: str


def add_gold(ledger: Ledger, revision: str, choice: Right, answer_right: YesNo | None, author: str) -> str:
    """Says what is right about a revision; what was said before is replaced. Returns the revision's id.

    `revision`: its id, or a draft's for its newest one. Raises UsageError: no such revision, `answer_right` for a
    harmful one, which has no answer to judge.
    """
    rows = ledger.query(
        "SELECT revisions.id, branch FROM revisions JOIN drafts ON drafts.id = draft_id"
        " WHERE revisions.id = ?1 OR draft_id = ?1 ORDER BY number DESC LIMIT 1",
        (revision,),
    )
    if not rows:
        raise UsageError(f"no revision {revision!r}; `curate show` lists drafts with their ids")
    found, branch = str(rows[0][0]), rows[0][1]
    if answer_right is not None and branch == "harmful":
        raise UsageError(f"{found}: a harmful draft ends in a refusal: leave --answer-right out")
    with ledger.transaction() as db:
        db.execute(
            "INSERT OR REPLACE INTO gold VALUES (?,?,?,?,?)",
            (found, choice, answer_right, author, now()),
        )
    return found


def list_gold(ledger: Ledger) -> list[Gold]:
    """All gold, in order of id."""
    return [
        Gold(
            revision_id=str(revision),
            structure=str(structure),
            branch=cast(Branch, branch),
            category=None if category is None else str(category),
            choice=cast(Right, choice),
            answer_right=cast("YesNo | None", answer_right),
            author=str(author),
            at=str(at),
            prompt=str(prompt),
            choices=Rate.of(int(str(right)), int(str(answered))),
        )
        for revision, structure, branch, category, choice, answer_right, author, at, prompt, right, answered in (
            ledger.query(
                f"""SELECT gold.revision_id, structure, branch, category, gold.choice, gold.answer_right, gold.author,
                    gold.at, SUBSTR(prompt, 1, ?), COUNT(*) FILTER (WHERE said.side = gold.choice), COUNT(said.side)
                FROM gold
                JOIN revisions ON revisions.id = gold.revision_id
                JOIN drafts ON drafts.id = revisions.draft_id
                JOIN seeds ON seeds.id = drafts.seed_id
                LEFT JOIN (SELECT revision_id, {_SIDE} AS side FROM responses_now
                    JOIN review_records ON review_records.id = record_id
                    WHERE purpose = 'gold' AND status = 'submitted') AS said ON said.revision_id = gold.revision_id
                GROUP BY gold.revision_id ORDER BY gold.revision_id""",  # noqa: S608
                (BEGINNING,),
            )
        )
    ]


def fill_gold(ledger: Ledger, most: int) -> list[str]:
    """Makes gold of at most `most` decisions, and returns the revisions: adjudicated ones first, which few have seen,
    then those that the whole shared first round agreed on, which only newcomers have not. Branches and outcomes take
    turns, as far as there are any.
    """
    adjudicated = _in_turn(_decided(ledger, "adjudication"))
    taken = {one.revision_id for one in adjudicated}
    unanimous = _in_turn(one for one in _decided(ledger, "calibration") if one.revision_id not in taken)
    chosen = [*adjudicated, *unanimous][:most]
    at = now()
    with ledger.transaction() as db:
        db.executemany(
            "INSERT OR IGNORE INTO gold VALUES (?,?,?,?,?)",
            ((one.revision_id, one.choice, one.answer_right, one.author, at) for one in chosen),
        )
    return [one.revision_id for one in chosen]


def _decided(ledger: Ledger, queue: Literal["adjudication", "calibration"]) -> list[_Decided]:
    """What persons approved or rejected in a queue, as it stood and all of one mind, and is not gold yet."""
    rows = ledger.query(
        f"""SELECT decisions_now.revision_id, branch, outcome, decisions_now.answer_right, deciders
        FROM decisions_now
        JOIN revisions ON revisions.id = decisions_now.revision_id
        JOIN drafts ON drafts.id = revisions.draft_id
        JOIN (SELECT revision_id, COUNT(*) AS answers, COUNT(DISTINCT {_SIDE}) AS sides, MIN({_SIDE}) AS side
            FROM responses_now JOIN review_records ON review_records.id = record_id
            WHERE queue = ? AND purpose = 'review' AND status = 'submitted' AND kind = 'person'
            GROUP BY revision_id) AS said ON said.revision_id = decisions_now.revision_id
        WHERE decisions_now.kind = 'person' AND outcome IN ('approved', 'rejected')
            AND sides = 1 AND side = CASE outcome WHEN 'approved' THEN 'approve' ELSE 'reject' END
            AND answers >= ?
            AND NOT EXISTS (SELECT 1 FROM gold WHERE gold.revision_id = decisions_now.revision_id)""",  # noqa: S608
        (queue, 1 if queue == "adjudication" else 2),
    )
    return [
        _Decided(
            str(revision),
            str(branch),
            "approve" if outcome == "approved" else "reject",
            None if answer_right is None or branch == "harmful" else "yes" if answer_right else "no",
            ", ".join(json.loads(str(deciders))) or queue,
        )
        for revision, branch, outcome, answer_right, deciders in rows
    ]


def _in_turn(decided: Iterable[_Decided]) -> list[_Decided]:
    kinds: dict[tuple[str, str], list[_Decided]] = {}
    for one in sorted(decided, key=lambda one: fraction("gold", one.revision_id)):
        kinds.setdefault((one.branch, one.choice), []).append(one)
    return [one for one in chain(*zip_longest(*(kinds[kind] for kind in sorted(kinds)))) if one is not None]


def measure(ledger: Ledger) -> list[Measured]:
    """How everybody who answered a hidden record does, by name."""
    counts: dict[tuple[str, Kind], list[int]] = {}
    for column, sql in enumerate((_ON_GOLD, _ON_ANSWERS, _ON_REPEATS)):
        for name, kind, right, answered in ledger.query(sql):
            own = counts.setdefault((str(name), cast(Kind, kind)), [0] * 6)
            own[2 * column : 2 * column + 2] = int(str(right)), int(str(answered))
    return [
        Measured(
            name=name,
            kind=kind,
            choices=Rate.of(*own[:2]),
            answers=Rate.of(*own[2:4]),
            repeats=Rate.of(*own[4:]),
        )
        for (name, kind), own in sorted(counts.items())
    ]


_ON_GOLD = f"""SELECT said.annotator, said.kind, SUM({_SIDE.replace("choice", "said.choice")} = gold.choice), COUNT(*)
FROM responses_now AS said
JOIN review_records ON review_records.id = said.record_id
JOIN gold ON gold.revision_id = review_records.revision_id
WHERE purpose = 'gold' AND said.status = 'submitted'
GROUP BY said.annotator, said.kind"""  # noqa: S608

_ON_ANSWERS = """SELECT said.annotator, said.kind, SUM(said.answer_right = gold.answer_right), COUNT(*)
FROM responses_now AS said
JOIN review_records ON review_records.id = said.record_id
JOIN gold ON gold.revision_id = review_records.revision_id
WHERE purpose = 'gold' AND said.status = 'submitted' AND said.answer_right NOT NULL AND gold.answer_right NOT NULL
GROUP BY said.annotator, said.kind"""

_ON_REPEATS = f"""SELECT again.annotator, again.kind, SUM(again.side = before.side), COUNT(*)
FROM (SELECT annotator, kind, revision_id, {_SIDE} AS side FROM responses_now
    JOIN review_records ON review_records.id = record_id WHERE purpose = 'repeat' AND status = 'submitted') AS again
JOIN (SELECT annotator, revision_id, {_SIDE} AS side FROM responses_now
    JOIN review_records ON review_records.id = record_id
    WHERE purpose = 'review' AND queue IN ('calibration', 'drafts') AND status = 'submitted') AS before
    USING (annotator, revision_id)
GROUP BY again.annotator, again.kind"""  # noqa: S608
