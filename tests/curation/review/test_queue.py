"""The order of a queue, and who is asked: what holds for any rows and any team."""

import random
from collections import Counter
from itertools import combinations, groupby, pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.review.assign import Change, Given, Turns, rebalance, tail_of, turns_of
from curation.review.plan import plan
from curation.review.queue import Tail, Waiting, choose_calibration, order, record_id
from curation.review.shown import NOBODY_ELSE
from schemas.example import Branch
from schemas.review import Annotator, Purpose, ReviewRecord
from schemas.settings import Review

CATEGORIES = ("privacy", "violence", "sexual", "self_harm", None)
RULES = Review(calibration=0, gold_percent=0, repeat_percent=0)


def person(name: str, *opted_out: str, active: bool = True) -> Annotator:
    return Annotator(name=name, pseudonym=f"annotator-{name}", opted_out=opted_out, active=active)


def machine(name: str) -> Annotator:
    return Annotator(name=name, kind="machine", pseudonym=f"annotator-{name}")


def machine_judge(name: str) -> Annotator:
    return Annotator(name=name, kind="machine", role="adjudicator", pseudonym=f"annotator-{name}")


def adjudicator(name: str) -> Annotator:
    return Annotator(name=name, role="adjudicator", pseudonym=f"annotator-{name}")


def draft(
    number: int,
    branch: Branch = "benign",
    category: str | None = None,
    doubtful: bool = False,
    round: int = 1,
    purpose: Purpose = "review",
    writers: frozenset[str] = frozenset(),
    already: frozenset[str] = frozenset(),
) -> Waiting:
    return Waiting(f"s{number}", f"d{number}.{round}", branch, category, doubtful, purpose, round, writers, already)


def stands(rows: list[Waiting], records: tuple[ReviewRecord, ...], **answered: frozenset[str]) -> list[Given]:
    by_row = {row.row: row for row in rows}
    return [
        Given(
            record,
            category=by_row[record.revision_id or record.seed_id].category,
            branch=by_row[record.revision_id or record.seed_id].branch,
            writers=by_row[record.revision_id or record.seed_id].writers,
            answered=answered.get(record.id, frozenset()),
        )
        for record in records
    ]


@st.composite
def any_rows(draw: st.DrawFn, most: int = 40) -> list[Waiting]:
    kinds = draw(
        st.lists(
            st.tuples(
                st.sampled_from(get_args(Branch)),
                st.sampled_from(CATEGORIES),
                st.booleans(),
                st.sampled_from([1, 1, 1, 2]),
            ),
            max_size=most,
        )
    )
    return [draft(number, *kind) for number, kind in enumerate(kinds)]


# -- order


@given(any_rows(), st.randoms(use_true_random=False), st.text(max_size=3))
def test_the_order_does_not_depend_on_the_order_rows_come_in(
    rows: list[Waiting], chance: random.Random, seed: str
) -> None:
    shuffled = chance.sample(rows, len(rows))
    ordered = order(rows, Tail(), 10, seed)
    assert order(shuffled, Tail(), 10, seed) == ordered
    assert sorted(ordered) == sorted(rows)


@given(any_rows(), st.integers(1, 4), st.integers(0, 4), st.sampled_from(CATEGORIES))
def test_harmful_runs_are_bounded_while_benign_rows_are_left(
    rows: list[Waiting], most: int, before: int, last: str | None
) -> None:
    ordered = order(rows, Tail(last, before), most, "")
    run = before
    for number, row in enumerate(ordered):
        run = run + 1 if row.harmful else 0
        if run > most:
            assert all(later.harmful for later in ordered[number:])


@given(any_rows(), st.integers(1, 12))
def test_neighbours_differ_in_category_while_another_is_left(rows: list[Waiting], most: int) -> None:
    ordered = order(rows, Tail(), most, "")
    run = 0
    for number, (one, other) in enumerate(pairwise(ordered), 1):
        run = run + 1 if one.harmful else 0
        if one.category is not None and one.category == other.category:
            rest = ordered[number:]
            could = [row for row in rest if not row.harmful] if run >= most else rest
            assert {row.category for row in could or rest} == {one.category}


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_no_neighbours_of_one_category_where_the_numbers_allow_it(categories: list[str]) -> None:
    rows = [draft(number, category=category) for number, category in enumerate(categories)]
    ordered = order(rows, Tail(), 10, "")
    largest = max(Counter(categories).values(), default=0)
    if largest <= (len(rows) + 1) // 2:
        assert all(one.category != other.category for one, other in pairwise(ordered))


def test_doubtful_rows_come_early_and_never_as_a_block() -> None:
    rows = [draft(number, doubtful=number < 20) for number in range(100)]
    ordered = order(rows, Tail(), 10, "")
    assert all(row.doubtful for row in ordered[:40:2])
    assert not any(row.doubtful for row in ordered[1:40:2])
    assert not any(row.doubtful for row in ordered[40:])


def test_where_most_rows_are_doubtful_the_others_are_spread_among_them() -> None:
    rows = [draft(number, doubtful=number < 80) for number in range(100)]
    ordered = order(rows, Tail(), 10, "")
    assert max(len(list(run)) for doubtful, run in groupby(ordered, lambda row: row.doubtful) if doubtful) <= 5


def test_edited_revisions_come_before_doubtful_rows() -> None:
    rows = [draft(number, doubtful=True, round=2 if number < 3 else 1) for number in range(10)]
    assert [row.round for row in order(rows, Tail(), 10, "")] == [2] * 3 + [1] * 7


@given(any_rows(), any_rows())
def test_what_comes_later_goes_behind_what_was_given_out(first: list[Waiting], second: list[Waiting]) -> None:
    first = [row for row in first if row.round == 1]
    second = [
        draft(number + 1000, row.branch or "benign", row.category, row.doubtful) for number, row in enumerate(second)
    ]
    team = [person("a1"), person("a2"), person("a3")]
    before = plan(first, [], team, RULES)
    after = plan(second, stands(first, before.records), team, RULES)
    assert [record.position for record in (*before.records, *after.records)] == list(range(len(first) + len(second)))


def test_an_edited_revision_gets_a_place_among_the_open_records() -> None:
    rows = [draft(number) for number in range(50)]
    team = [person("a1"), person("a2")]
    given_out = stands(rows, plan(rows, [], team, RULES).records)
    begun = [
        one._replace(answered=frozenset(one.record.assigned), open=False) if one.record.position < 20 else one
        for one in given_out
    ]
    edits = [draft(n, round=2, writers=frozenset({"a1"})) for n in range(3)]
    records = plan(edits, begun, team, RULES).records
    assert [record.position for record in records] == [20, 22, 24]
    assert {(record.assigned, record.needed) for record in records} == {(("a2",), 1)}


# -- calibration


@given(any_rows(), st.integers(1, 30))
def test_calibration_shows_every_kind_there_is_room_for(rows: list[Waiting], count: int) -> None:
    chosen = choose_calibration(rows, count, "")
    first = [row for row in rows if row.round == 1]
    assert len(chosen) == len(set(chosen)) == min(count, len(first))
    kinds = {(row.branch, row.doubtful) for row in first}
    if count >= len(kinds):
        assert {(row.branch, row.doubtful) for row in chosen} == kinds
    if count >= len(kinds) * len(CATEGORIES):
        assert {row.category for row in chosen} == {row.category for row in first}


def test_the_first_records_are_everybodys_and_only_once_in_a_project() -> None:
    rules = Review(calibration=5, gold_percent=0, repeat_percent=0)
    team = [person("a1"), person("a2", "privacy"), person("a3"), machine("m1"), adjudicator("j1")]
    rows = [draft(number, category="privacy" if number % 2 else "violence") for number in range(20)]
    planned = plan(rows, [], team, rules).records
    shared = [record for record in planned if record.queue == "calibration"]
    assert [record.position for record in shared] == list(range(5))
    for record in shared:
        takes_all = rows[int(record.seed_id[1:])].category == "violence"
        assert record.assigned == (("a1", "a2", "a3") if takes_all else ("a1", "a3"))
        assert record.needed == (3 if takes_all else 2)
    assert {record.queue for record in planned[5:]} == {"drafts"}
    more = plan([draft(number) for number in range(30, 40)], stands(rows, planned), team, rules).records
    assert {record.queue for record in more} == {"drafts"}


# -- who is asked


@pytest.mark.parametrize("size", range(2, 9))
@pytest.mark.parametrize("overlap", [2, 3])
def test_loads_differ_by_one_at_most_and_pairs_meet_about_equally_often(size: int, overlap: int) -> None:
    team = [person(f"a{number}") for number in range(size)]
    rows = [draft(number) for number in range(300)]
    records = plan(rows, [], team, RULES.model_copy(update={"overlap": overlap})).records
    loads: Counter[str] = Counter({one.name: 0 for one in team})
    pairs = Counter({pair: 0 for pair in combinations(sorted(loads), 2)})
    for record in records:
        loads.update(record.assigned)
        pairs.update(combinations(record.assigned, 2))
        assert max(loads.values()) - min(loads.values()) <= 1
        assert record.needed == len(record.assigned) == min(overlap, size)
    assert max(pairs.values()) - min(pairs.values()) <= 4


@st.composite
def any_team(draw: st.DrawFn) -> list[Annotator]:
    team = [
        Annotator(
            name=f"a{number}",
            pseudonym=f"p{number}",
            kind=draw(st.sampled_from(["person", "person", "machine"])),
            role=draw(st.sampled_from(["annotator", "annotator", "annotator", "adjudicator"])),
            active=draw(st.sampled_from([True, True, False])),
            opted_out=tuple(draw(st.sets(st.sampled_from(["privacy", "violence"]), max_size=2))),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    return draw(st.permutations(team))


def taking_records(team: list[Annotator]) -> list[Annotator]:
    """Machine accounts take records only where there is no person."""
    taking = [one for one in team if one.active and one.role == "annotator"]
    persons = [one for one in taking if one.kind == "person"]
    return persons or taking


@st.composite
def any_written_rows(draw: st.DrawFn) -> list[Waiting]:
    writers = st.frozensets(st.sampled_from([f"a{number}" for number in range(5)]), max_size=3)
    return [row._replace(writers=draw(writers)) if row.round > 1 else row for row in draw(any_rows(most=15))]


@given(any_written_rows(), any_team(), st.integers(1, 3), st.integers(0, 4))
def test_everyone_is_asked_only_what_they_may_be_and_no_row_is_lost(
    rows: list[Waiting], team: list[Annotator], overlap: int, calibration: int
) -> None:
    rules = RULES.model_copy(update={"overlap": overlap, "calibration": calibration})
    planned = plan(rows, [], team, rules)
    by_name = {one.name: one for one in team}
    by_row = {row.row: row for row in rows}
    assert Counter(record.revision_id for record in planned.records) == Counter(row.row for row in rows)
    taking = taking_records(team)
    for record in planned.records:
        row = by_row[record.revision_id or ""]
        assert not row.writers & set(record.assigned)
        able = [one for one in taking if one.name not in row.writers and row.category not in one.opted_out]
        if record.queue == "adjudication":
            assert not able
            assert all(by_name[name].role == "adjudicator" for name in record.assigned)
        elif not taking:
            assert not record.assigned
        else:
            wanted = len(able) if record.queue == "calibration" else 1 if row.round > 1 else overlap
            assert len(record.assigned) == record.needed == min(wanted, len(able))
            assert set(record.assigned) <= {one.name for one in able}
    assert plan(rows[::-1], [], team[::-1], rules) == planned


def test_a_team_smaller_than_the_overlap_is_asked_whole_and_the_lead_is_told() -> None:
    planned = plan([draft(1), draft(2)], [], [person("a1")], RULES)
    assert [(record.assigned, record.needed) for record in planned.records] == [(("a1",), 1)] * 2
    assert planned.notes == ("2 annotators are needed for overlap 2, there is 1",)


def test_without_annotators_whoever_comes_is_asked() -> None:
    planned = plan([draft(1)], [], [adjudicator("j1"), person("a1", active=False)], RULES)
    assert [(record.assigned, record.needed) for record in planned.records] == [((), 2)]
    assert len(planned.notes) == 1
    assert "no annotators" in planned.notes[0]


def test_categories_someone_opted_out_of_go_to_others() -> None:
    team = [person("a1", "sexual"), person("a2"), person("a3")]
    rows = [draft(number, "harmful", "sexual" if number % 2 else "privacy") for number in range(40)]
    planned = plan(rows, [], team, RULES)
    loads = Counter(name for record in planned.records for name in record.assigned)
    assert not any("a1" in one.assigned for one in planned.records if rows[int(one.seed_id[1:])].category == "sexual")
    assert max(loads.values()) - min(loads.values()) <= 20
    assert planned.notes == ()


def test_what_nobody_may_take_goes_to_an_adjudicator_who_did_not_write_it() -> None:
    team = [person("a1", "sexual"), person("a2", "sexual"), adjudicator("j1"), adjudicator("j2"), machine("m1")]
    row = draft(1, "harmful", "sexual", round=2, writers=frozenset({"j2"}))
    planned = plan([row, draft(2)], [], team, RULES)
    (sent,) = [record for record in planned.records if record.queue == "adjudication"]
    assert (sent.revision_id, sent.assigned, sent.needed, sent.position) == ("d1.2", ("j1",), 1, 0)
    assert planned.notes == (f"1 of 2 records go to the adjudicator: {NOBODY_ELSE}",)


def test_what_all_adjudicators_wrote_names_none_of_them_and_is_for_whoever_comes() -> None:
    team = [person("a1", "sexual"), adjudicator("j1")]
    row = draft(1, "harmful", "sexual", round=2, writers=frozenset({"j1"}))
    assert [(one.queue, one.assigned) for one in plan([row], [], team, RULES).records] == [("adjudication", ())]


def test_machines_are_not_asked_beside_a_person() -> None:
    team = [person("a1"), machine("m1"), machine("m2"), machine_judge("m3"), adjudicator("j1")]
    planned = plan([draft(1), draft(2, writers=frozenset({"a1"}))], [], team, RULES)
    assert {(record.queue, record.assigned) for record in planned.records} == {
        ("drafts", ("a1",)),
        ("adjudication", ("j1",)),
    }


def test_without_persons_machines_are_all_there_is() -> None:
    planned = plan([draft(1)], [], [machine("m1"), machine("m2")], RULES)
    assert [(record.assigned, record.needed) for record in planned.records] == [(("m1", "m2"), 2)]


def test_an_edit_goes_to_one_who_did_not_write_it_and_knows_the_draft_where_all_else_is_equal() -> None:
    team = [person(f"a{number}") for number in range(6)]
    row = draft(1, round=2, writers=frozenset({"a1"}), already=frozenset({"a1", "a4"}))
    (record,) = plan([row], [], team, RULES).records
    assert (record.assigned, record.needed, record.round) == (("a4",), 1, 2)


def test_labels_have_an_overlap_of_their_own_and_no_calibration() -> None:
    rules = Review(overlap=3, label_overlap=1, calibration=30)
    planned = plan([Waiting(f"s{n}") for n in range(6)], [], [person("a1"), person("a2")], rules, queue="labels")
    assert {(record.queue, record.needed, len(record.assigned)) for record in planned.records} == {("labels", 1, 1)}
    assert Counter(record.assigned for record in planned.records) == {("a1",): 3, ("a2",): 3}


def test_a_record_has_the_same_id_whenever_it_is_planned_and_another_in_each_queue() -> None:
    one = record_id("drafts", "d1.1", "review", 1, 0)
    assert one == "r5158a1e2e56e905e"
    others = [record_id("calibration", "d1.1", "review", 1, 0), record_id("drafts", "d1.1", "gold", 1, 0)]
    others += [record_id("drafts", "d1.1", "review", 2, 0), record_id("drafts", "d1.1", "review", 1, 1)]
    assert len({one, *others}) == 5


# -- later


def test_who_skipped_is_replaced_by_another_who_may_take_it() -> None:
    team = [person("a1"), person("a2"), person("a3", "sexual"), person("a4"), machine("m1")]
    rows = [draft(1, "harmful", "sexual", round=2, writers=frozenset({"a4"}))]
    record = ReviewRecord(
        id="r1", queue="drafts", seed_id="s1", revision_id="d1.2", round=2, position=0, assigned=("a1",), needed=1
    )
    (one,) = stands(rows, (record,), **{record.id: frozenset({"a1"})})
    once = one._replace(skipped=one.answered)
    assert rebalance([once], team, RULES) == ((Change("r1", ("a1", "a2"), 1),), ())
    both = frozenset({"a1", "a2"})
    twice = once._replace(record=record.model_copy(update={"assigned": ("a1", "a2")}), answered=both, skipped=both)
    assert rebalance([twice], team, RULES) == ((), ("r1",))


def test_a_team_that_stays_as_it_is_keeps_what_it_has() -> None:
    team = [person("a1"), person("a2"), person("a3", "sexual"), machine("m1")]
    rows = [draft(number, "harmful", "sexual" if number % 3 else None) for number in range(30)]
    given_out = stands(rows, plan(rows, [], team, Review(calibration=5)).records)
    assert rebalance(given_out, team, Review(calibration=5)) == ((), ())


@pytest.mark.parametrize("count", range(1, 9))
def test_labels_and_drafts_that_were_shared_out_fairly_stay_where_they_are(count: int) -> None:
    team = [person("a1"), person("a2"), person("a3")]
    labels = [Waiting(f"l{number}") for number in range(count)]
    drafts = [draft(number) for number in range(5)]
    given_out = stands(labels, plan(labels, [], team, RULES, queue="labels").records)
    given_out += stands(drafts, plan(drafts, given_out, team, RULES).records)
    assert rebalance(given_out, team, RULES) == ((), ())


def apply(given_out: list[Given], changes: tuple[Change, ...]) -> list[Given]:
    by_id = {change.record_id: change for change in changes}
    return [
        one._replace(record=one.record.model_copy(update={"assigned": change.assigned, "needed": change.needed}))
        if (change := by_id.get(one.record.id))
        else one
        for one in given_out
    ]


@settings(deadline=None)
@given(
    any_written_rows(),
    any_team(),
    any_team(),
    st.integers(0, 4),
    st.lists(st.integers(0, 2), min_size=15, max_size=15),
)
def test_after_people_came_and_went_every_open_record_has_whom_it_can(
    rows: list[Waiting], before: list[Annotator], after: list[Annotator], calibration: int, answers: list[int]
) -> None:
    rules = RULES.model_copy(update={"calibration": calibration})
    after = [one for one in after if one.name not in {o.name for o in before}] + [
        one.model_copy(update={"active": other.active, "opted_out": other.opted_out})
        for one in before
        for other in [next((o for o in after if o.name == one.name), one.model_copy(update={"active": False}))]
    ]
    records = plan(rows, [], before, rules).records
    answered = {record.id: frozenset(record.assigned[:n]) for record, n in zip(records, answers, strict=False)}
    given_out = stands(rows, records, **answered)
    changed = rebalance(given_out, after, rules)
    now = apply(given_out, changed.changes)
    taking = taking_records(after)
    persons = {one.name for one in after if one.kind == "person"}
    heard = persons if any(one.kind == "person" for one in taking) else {one.name for one in after}
    for old, new in zip(given_out, now, strict=True):
        record = new.record
        if record.queue == "adjudication":
            assert new == old
            continue
        able = {one.name for one in taking if one.name not in new.writers and new.category not in one.opted_out}
        if not taking:
            assert new == old
            continue
        if record.id in changed.stuck:
            assert not able
            continue
        assert new.answered & set(old.record.assigned) & heard <= set(record.assigned) <= heard
        assert set(record.assigned) - new.answered <= able
        could = able | set(record.assigned)
        wanted = len(could) if record.queue == "calibration" else 1 if record.round > 1 else rules.overlap
        assert record.needed == len(record.assigned) >= min(wanted, len(could))
    assert rebalance(now, after, rules) == ((), changed.stuck)


def test_what_someone_who_left_has_not_answered_goes_to_others() -> None:
    team = [person("a1"), person("a2"), person("a3")]
    rows = [draft(number) for number in range(30)]
    records = plan(rows, [], team, RULES).records
    answered = {record.id: frozenset({"a3"}) for record in records[:10] if "a3" in record.assigned}
    given_out = stands(rows, records, **answered)
    gone = [person("a1"), person("a2"), person("a3", active=False)]
    now = apply(given_out, rebalance(given_out, gone, RULES).changes)
    for one in now:
        assert ("a3" in one.record.assigned) == (one.record.id in answered)
        assert len(one.record.assigned) == 2
    loads = turns_of(now).loads
    assert abs(loads["a1"] - loads["a2"]) <= 1
    assert not loads["a3"]


def test_a_newcomer_gets_a_fair_share_of_what_nobody_has_begun() -> None:
    team = [person("a1"), person("a2"), person("a3")]
    rows = [draft(number) for number in range(60)]
    records = plan(rows, [], team, RULES).records
    begun = {record.id: frozenset(record.assigned[:1]) for record in records[:12]}
    given_out = stands(rows, records, **begun)
    now = apply(given_out, rebalance(given_out, [*team, person("a4")], RULES).changes)
    loads = turns_of(now).loads
    assert max(loads.values()) - min(loads.values()) <= 1
    assert [one.record.assigned for one in now[:12]] == [record.assigned for record in records[:12]]
    places = [one.record.position for one in now if "a4" in one.record.assigned]
    assert min(places) < 30 < max(places)


def test_what_machines_have_goes_to_the_persons_who_join() -> None:
    machines = [machine("m1"), machine("m2")]
    rows = [draft(number) for number in range(30)]
    records = plan(rows, [], machines, Review(calibration=5)).records
    begun = {record.id: frozenset({"m1"}) for record in records[:10]}
    team = [*machines, person("a1"), person("a2"), person("a3")]
    given_out = stands(rows, records, **begun)
    now = apply(given_out, rebalance(given_out, team, RULES).changes)
    for one in now:
        everybody = one.record.queue == "calibration"
        assert len(one.record.assigned) == one.record.needed == (3 if everybody else 2)
        assert set(one.record.assigned) <= {"a1", "a2", "a3"}
    loads = turns_of(now).loads
    assert max(loads.values()) - min(loads.values()) <= 1


def test_what_a_person_answered_counts_when_only_machines_are_left() -> None:
    (one,) = stands([draft(1)], plan([draft(1)], [], [person("a1"), person("a2")], RULES).records)
    (change,) = rebalance(
        [one._replace(answered=frozenset({"a1"}))],
        [person("a1", active=False), person("a2", active=False), machine("m1"), machine("m2")],
        RULES,
    ).changes
    assert change.needed == 2
    assert change.assigned in (("a1", "m1"), ("a1", "m2"))


def test_a_second_annotator_is_asked_too_where_there_was_one_too_few() -> None:
    rows = [draft(number) for number in range(4)]
    given_out = stands(rows, plan(rows, [], [person("a1")], RULES).records)
    changed = rebalance(given_out, [person("a1"), person("a2")], RULES)
    assert {(change.assigned, change.needed) for change in changed.changes} == {(("a1", "a2"), 2)}


def test_a_record_that_nobody_may_take_any_more_is_told() -> None:
    rows = [draft(1, "harmful", "sexual"), draft(2)]
    given_out = stands(rows, plan(rows, [], [person("a1")], RULES).records)
    changed = rebalance(given_out, [person("a1", "sexual")], RULES)
    assert changed == ((), (record_id("drafts", "d1.1", "review", 1, 0),))


def test_a_record_that_only_a_machine_may_take_any_more_is_told() -> None:
    rows = [draft(1, "harmful", "sexual")]
    given_out = stands(rows, plan(rows, [], [person("a1"), machine("m1")], RULES).records)
    assert rebalance(given_out, [person("a1", "sexual"), machine("m1")], RULES) == ((), (given_out[0].record.id,))


def test_for_each_who_skipped_another_is_asked_and_as_many_answers_are_waited_for() -> None:
    team = [person("a1"), person("a2"), person("a3")]
    rows = [draft(1)]
    (one,) = stands(rows, plan(rows, [], team, RULES).records)
    first, second = one.record.assigned
    (third,) = {"a1", "a2", "a3"} - set(one.record.assigned)
    once = one._replace(answered=frozenset({first}), skipped=frozenset({first}))
    (change,) = rebalance([once], team, RULES).changes
    assert (change.assigned, change.needed) == (("a1", "a2", "a3"), 2)
    (now,) = apply([once], (change,))
    assert rebalance([now], team, RULES) == ((), ())
    twice = now._replace(answered=frozenset({first, third}), skipped=frozenset({first, third}))
    assert [change.needed for change in rebalance([twice], team, RULES).changes] == [1]
    nobody = now._replace(answered=frozenset({first, second, third}), skipped=frozenset({first, second, third}))
    assert rebalance([nobody], team, RULES).stuck == (one.record.id,)


def test_who_answered_a_record_that_named_nobody_counts() -> None:
    rows = [draft(1)]
    (one,) = stands(rows, plan(rows, [], [], RULES).records)
    (change,) = rebalance([one._replace(answered=frozenset({"a1"}))], [person("a1"), person("a2")], RULES).changes
    assert change == Change(one.record.id, ("a1", "a2"), 2)


def test_records_wait_as_they_are_while_there_is_no_annotator() -> None:
    rows = [draft(1), draft(2)]
    given_out = stands(rows, plan(rows, [], [person("a1")], RULES).records)
    assert rebalance(given_out, [person("a1", active=False)], RULES) == ((), ())


def test_how_a_queue_ends_is_read_from_its_last_records() -> None:
    rows = [draft(1, "benign", "privacy"), draft(2, "harmful", "violence"), draft(3, "harmful", "sexual")]
    records = [
        ReviewRecord(id=f"r{n}", queue="drafts", seed_id=row.seed_id, revision_id=row.row, position=n, needed=1)
        for n, row in enumerate(rows)
    ]
    assert tail_of(stands(rows, tuple(records[::-1]))) == Tail("sexual", 2)
    assert tail_of([]) == Tail()
    assert turns_of([]) == Turns(Counter(), Counter())
