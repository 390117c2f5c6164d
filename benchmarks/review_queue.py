"""Planning 10,000 drafts: how long order, gold and sharing out take, and what a change of the team costs afterwards.

python -m benchmarks.review_queue

Medians of five runs, in seconds, on one core. Nothing is written.
"""

import random
import statistics
import time
from collections.abc import Callable

from curation.review.assign import Given, rebalance
from curation.review.plan import plan
from curation.review.queue import Waiting
from schemas.example import Category
from schemas.review import Annotator
from schemas.settings import Review

RECORDS = 10_000
RUNS = 5


def make_rows(count: int, name: str = "d") -> list[Waiting]:
    """A third harmful, over eight categories; a tenth doubtful."""
    chance = random.Random(7)
    categories = [category.value for category in Category]
    rows = []
    for number in range(count):
        harmful = chance.random() < 1 / 3
        rows.append(
            Waiting(
                f"s{name}{number}",
                f"{name}{number}.1",
                "harmful" if harmful else "benign",
                chance.choice(categories) if harmful else None,
                doubtful=chance.random() < 0.1,
            )
        )
    return rows


def median_seconds(action: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    rows = make_rows(RECORDS)
    gold = [row._replace(purpose="gold") for row in make_rows(600, "g")]
    repeats = [row._replace(purpose="repeat", already=frozenset({"a0", "a1"})) for row in make_rows(400, "r")]
    for size in (2, 4, 8, 20):
        team = [Annotator(name=f"a{n}", pseudonym=f"p{n}", opted_out=("sexual",) * (n == 0)) for n in range(size)]
        rules = Review()
        planned = plan(rows, [], team, rules, gold=gold, repeats=repeats)
        by_row = {row.row: row for row in [*rows, *gold, *repeats]}
        given = [
            Given(record, by_row[record.revision_id or ""].category, by_row[record.revision_id or ""].branch)
            for record in planned.records
        ]
        newcomer = [*team, Annotator(name="new", pseudonym="new")]

        def plan_all(team: list[Annotator] = team, rules: Review = rules) -> object:
            return plan(rows, [], team, rules, gold=gold, repeats=repeats)

        def hand_over(given: list[Given] = given, team: list[Annotator] = newcomer, rules: Review = rules) -> object:
            return rebalance(given, team, rules)

        print(
            f"{size:>2} annotators: {len(planned.records):,} records planned in {median_seconds(plan_all):.2f} s,"
            f" handed over to one more in {median_seconds(hand_over):.2f} s"
        )


if __name__ == "__main__":
    main()
