"""Hidden records that measure annotators: gold, whose right answer is known, and repeats of decided ones.

    find_gold(ledger, "alttrain")        what could be asked, of whoever has not seen it
    find_repeats(ledger, "alttrain")     what could be asked again, of whoever answered it
    mix(ordered, gold, repeats, rules)   a few of both among the drafts of a queue; they look like any other record
    measure(ledger)                      how often each annotator is right on gold and agrees with themselves

Neither counts in a decision. The lead alone sees the figures, and they say little before some dozens of answers.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from curation.review.queue import Tail, Waiting, draw, fraction
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
