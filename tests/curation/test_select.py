"""Which traces a run works on."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.generate import select
from curation.ledger import Candidate

ROWS = [
    Candidate(f"t{number:03}", label, category, source, failed=False)
    for number, (label, category, source) in enumerate(
        [("harmful", "privacy", "one")] * 60 + [("harmful", "illicit", "one")] * 30 + [("benign", None, "two")] * 10
    )
]


def test_a_sample_keeps_the_shares_of_label_category_and_source() -> None:
    picked = {row.id: row for row in ROWS}
    strata = Counter((picked[i].label, picked[i].category, picked[i].source) for i in select(ROWS, sample=20))
    assert strata == {("harmful", "privacy", "one"): 12, ("harmful", "illicit", "one"): 6, ("benign", None, "two"): 2}


@given(st.integers(1, 120), st.integers(0, 5))
def test_a_sample_has_its_size_and_is_the_same_each_time(size: int, seed: int) -> None:
    picked = select(ROWS, sample=size, sample_seed=seed)
    assert len(picked) == len(set(picked)) == min(size, len(ROWS))
    assert picked == select(ROWS, sample=size, sample_seed=seed)


def test_another_seed_draws_another_sample() -> None:
    assert select(ROWS, sample=20, sample_seed=0) != select(ROWS, sample=20, sample_seed=1)


def test_an_interrupted_sample_goes_on_with_the_same_rows() -> None:
    first = select(ROWS, sample=20)
    done = set(first[:8])
    later = [row._replace(done=row.id in done) for row in ROWS]
    assert select(later, sample=20) == first[8:]


def test_what_is_done_or_failed_is_left_out_and_failed_rows_come_back_when_asked_for() -> None:
    rows = [ROWS[0]._replace(done=True), ROWS[1]._replace(failed=True), ROWS[2]]
    assert select(rows) == ["t002"]
    assert select(rows, retry_failed=True) == ["t001", "t002"]


@pytest.mark.parametrize(("only", "count"), [("harmful", 90), ("benign", 10), (None, 100)])
def test_only_one_label_can_be_asked_for(only: str | None, count: int) -> None:
    assert len(select(ROWS, only=only)) == count  # type: ignore[arg-type]


def test_a_limit_takes_the_first_of_what_is_left() -> None:
    assert select([ROWS[0]._replace(done=True), *ROWS[1:]], limit=3) == ["t001", "t002", "t003"]
