"""Hidden records that measure annotators: gold, whose right answer is known, and repeats of decided ones.

    find_gold(ledger, "alttrain")        what could be asked, of whoever has not seen it
    find_repeats(ledger, "alttrain")     what could be asked again, of whoever answered it
    mix(ordered, gold, repeats, rules)   a few of both among the drafts of a queue; they look like any other record

Neither counts in a decision. What comes of them is gold.py's.
"""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import cast

from curation.ledger import Ledger
from curation.review.queue import Tail, Waiting, draw, fraction
from schemas.example import Branch
from schemas.review import Purpose
from schemas.settings import Review

REPEAT_DISTANCE = 50
"""A record comes again only after so many others, or it would be recognised."""

PATIENCE = 5
"""For so many places a hidden record waits for neighbours of other categories, then it takes any."""


def mix(
    ordered: Sequence[Waiting],
    gold: Iterable[Waiting],
    repeats: Iterable[Waiting],
    rules: Review,
    *,
    start: int = 0,
    tail: Tail = Tail(),  # noqa: B008
    seed: str = "",
) -> list[Waiting]:
    """`ordered` with gold and repeats among it: `gold_percent` and `repeat_percent` of all, never two side by side.

    `start`: the position of the first. Shares are counted over the whole queue, so that many small pushes get as much
    as a large one. Less is taken where there is less, or where one would make too long a run of harmful records.
    """
    shares = [rules.gold_percent / 100, rules.repeat_percent / 100]
    if sum(shares) > 0.5:  # more could not be kept apart
        shares = [share / sum(shares) / 2 for share in shares]
    total = len(ordered) + round(len(ordered) * sum(shares) / (1 - sum(shares)))
    extras: list[Waiting] = []
    for pool, share in zip((gold, repeats), shares, strict=True):
        count = int(share * (start + total)) - int(share * start)
        extras += sorted(pool, key=lambda row: draw(seed, row))[:count]
    extras.sort(key=lambda row: draw(f"{seed}:{start}", row))
    return _insert(ordered, extras[: len(ordered)], rules.harmful_in_a_row, tail, f"{seed}:{start}")


def find_gold(ledger: Ledger, structure: str) -> list[Waiting]:
    """The gold of a structure, in order of id. `already`: who was ever asked about the same prompt."""
    return [
        _waiting(row, "gold")
        for row in ledger.query(
            """SELECT drafts.seed_id, gold.revision_id, drafts.branch, seeds.category,
                (SELECT COUNT(*) FROM review_records AS made
                    WHERE made.revision_id = gold.revision_id AND made.purpose = 'gold'),
                (SELECT JSON_GROUP_ARRAY(name) FROM (
                    SELECT value AS name FROM review_records, JSON_EACH(assigned)
                        WHERE review_records.seed_id = drafts.seed_id
                    UNION SELECT annotator FROM responses JOIN review_records ON review_records.id = record_id
                        WHERE review_records.seed_id = drafts.seed_id))
            FROM gold
            JOIN revisions ON revisions.id = gold.revision_id
            JOIN drafts ON drafts.id = revisions.draft_id
            JOIN seeds ON seeds.id = drafts.seed_id
            WHERE structure = ? ORDER BY gold.revision_id""",
            (structure,),
        )
    ]


def find_repeats(ledger: Ledger, structure: str) -> list[Waiting]:
    """Decided drafts of a structure that were not shown twice yet, in order of id. `already`: who answered them.

    Only those with REPEAT_DISTANCE records of their queue behind them, and all of the shared first round.
    """
    return [
        _waiting(row, "repeat")
        for row in ledger.query(
            """SELECT made.seed_id, made.revision_id, drafts.branch, seeds.category, 0,
                JSON_GROUP_ARRAY(DISTINCT responses_now.annotator)
            FROM review_records AS made
            JOIN responses_now ON responses_now.record_id = made.id AND responses_now.status = 'submitted'
            JOIN revisions ON revisions.id = made.revision_id
            JOIN drafts ON drafts.id = revisions.draft_id
            JOIN seeds ON seeds.id = drafts.seed_id
            WHERE structure = ?1 AND made.purpose = 'review' AND made.closed_at IS NOT NULL
                AND (made.queue = 'calibration' OR made.queue = 'drafts'
                    AND made.position <= (SELECT MAX(position) FROM review_records WHERE queue = 'drafts') - ?2)
                AND NOT EXISTS (SELECT 1 FROM review_records AS again
                    WHERE again.revision_id = made.revision_id AND again.purpose = 'repeat')
            GROUP BY made.revision_id ORDER BY made.revision_id""",
            (structure, REPEAT_DISTANCE),
        )
    ]


def _waiting(row: Sequence[object], purpose: Purpose) -> Waiting:
    seed, revision, branch, category, serial, already = row
    return Waiting(
        str(seed),
        str(revision),
        branch=cast(Branch, branch),
        category=None if category is None else str(category),
        purpose=purpose,
        already=frozenset(json.loads(str(already))),
        serial=int(str(serial)),
    )


def _insert(
    ordered: Sequence[Waiting], extras: Sequence[Waiting], harmful_in_a_row: int, tail: Tail, seed: str
) -> list[Waiting]:
    """Each extra somewhere in its own stretch of the queue, or behind the next row where it fits."""
    ahead = [0] * (len(ordered) + 1)  # how many harmful rows follow one another from here on
    for number in reversed(range(len(ordered))):
        ahead[number] = ahead[number + 1] + 1 if ordered[number].harmful else 0
    last_benign = max((number for number, row in enumerate(ordered) if not row.harmful), default=-1)
    stretch = len(ordered) / max(1, len(extras))
    slots = deque((int((k + fraction(seed, str(k))) * stretch), row) for k, row in enumerate(extras))
    mixed: list[Waiting] = []
    run = tail.harmful_run
    for number, row in enumerate(ordered):
        mixed.append(row)
        run = run + 1 if row.harmful else 0
        if not slots or slots[0][0] > number:
            continue
        slot, extra = slots[0]
        following = ordered[number + 1].category if number + 1 < len(ordered) else None
        alike = extra.category is not None and extra.category in (row.category, following)
        too_long = extra.harmful and number < last_benign and run + 1 + ahead[number + 1] > harmful_in_a_row
        if too_long or (alike and number - slot < PATIENCE):
            continue
        mixed.append(slots.popleft()[1])
        run = run + 1 if extra.harmful else 0
    return mixed
