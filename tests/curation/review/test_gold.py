"""Hidden records: where they stand in a queue, who is shown them, and what annotators' answers to them say."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from curation.cli import curate
from curation.ledger import Ledger, NewRow
from curation.review.accounts import save_annotator
from curation.review.gold import add_gold, fill_gold, list_gold, measure
from curation.review.hidden import REPEAT_DISTANCE, find_gold, find_repeats, mix
from curation.review.plan import plan
from curation.review.queue import Tail, Waiting
from curation.review.records import close_records, insert_records
from curation.review.responses import insert_decision, save_responses
from schemas.errors import UsageError
from schemas.example import Branch, Label, Seed, Trace, seed_id, trace_id
from schemas.report import Rate
from schemas.review import (
    Annotator,
    AnswerRight,
    Choice,
    Decision,
    Kind,
    Outcome,
    Purpose,
    Queue,
    Response,
    ReviewRecord,
)
from schemas.settings import Review

RULES = Review(calibration=0)
AT = "2026-01-01T00:00:00+00:00"


def rows(number: int, name: str = "s", purpose: Purpose = "review", branch: Branch = "benign") -> list[Waiting]:
    return [Waiting(f"{name}{n}", f"{name}{n}.1", branch, purpose=purpose) for n in range(number)]


# -- where they stand


def hidden(mixed: list[Waiting]) -> Counter[str]:
    return Counter(row.purpose for row in mixed if row.purpose != "review")


@given(
    st.lists(st.sampled_from(["harmful", "benign"]), max_size=60),
    st.integers(0, 40),
    st.integers(0, 40),
    st.floats(0, 50),
    st.floats(0, 50),
    st.integers(0, 1000),
    st.integers(1, 10),
)
def test_hidden_records_are_never_neighbours_and_change_nothing_else(
    branches: list[Branch], gold: int, repeats: int, of_gold: float, of_repeats: float, start: int, most: int
) -> None:
    rules = Review(gold_percent=of_gold, repeat_percent=of_repeats, harmful_in_a_row=most)
    ordered = [Waiting(f"s{n}", f"d{n}.1", branch) for n, branch in enumerate(branches)]
    pools = rows(gold, "g", "gold", "harmful"), rows(repeats, "r", "repeat")
    mixed = mix(ordered, *pools, rules, start=start, seed="x")
    assert [row for row in mixed if row.purpose == "review"] == ordered
    assert not any(one.purpose != "review" != other.purpose for one, other in pairwise(mixed))
    assert set(mixed) - set(ordered) <= set(pools[0]) | set(pools[1])
    assert len(set(mixed)) == len(mixed)
    assert not mixed or mixed[0].purpose == "review"
    assert mix(ordered, pools[0][::-1], pools[1][::-1], rules, start=start, seed="x") == mixed


@given(st.integers(1, 6), st.lists(st.booleans(), max_size=80))
def test_gold_makes_no_run_of_harmful_records_longer_than_it_may_be(most: int, kinds: list[bool]) -> None:
    ordered = []
    run = 0
    for number, harmful in enumerate(kinds):
        harmful = harmful and run < most
        run = run + 1 if harmful else 0
        ordered.append(Waiting(f"s{number}", f"d{number}.1", "harmful" if harmful else "benign"))
    ordered.append(Waiting("last", "last.1", "benign"))
    rules = Review(gold_percent=30, repeat_percent=0, harmful_in_a_row=most)
    run = 0
    for row in mix(ordered, rows(40, "g", "gold", "harmful"), [], rules):
        run = run + 1 if row.harmful else 0
        assert run <= most


def test_shares_are_those_of_the_rules_in_one_large_push_and_in_many_small_ones() -> None:
    gold, repeats = rows(100, "g", "gold"), rows(100, "r", "repeat")
    large = mix(rows(920), gold, repeats, RULES)
    assert (len(large), hidden(large)) == (1000, {"gold": 50, "repeat": 30})
    small: list[Waiting] = []
    while len(small) < 1000:
        small += mix(rows(8, f"p{len(small)}-"), gold, repeats, RULES, start=len(small))
    found = hidden(small)
    assert abs(found["gold"] - 50) <= 3
    assert abs(found["repeat"] - 30) <= 3


def test_hidden_records_keep_apart_from_their_own_category_where_they_can() -> None:
    ordered = [Waiting(f"s{n}", f"d{n}.1", "benign", "privacy" if n % 5 == 0 else "violence") for n in range(100)]
    gold = [row._replace(category="privacy") for row in rows(10, "g", "gold")]
    mixed = mix(ordered, gold, [], RULES)
    assert hidden(mixed)["gold"] == 5
    assert not any(one.category == other.category == "privacy" for one, other in pairwise(mixed))


def test_a_long_harmful_end_of_the_queue_counts_for_what_follows() -> None:
    rules = Review(gold_percent=50, repeat_percent=0, harmful_in_a_row=3)
    ordered = rows(1, branch="harmful") + rows(3, "b")
    gold = rows(4, "g", "gold", "harmful")
    assert not mix(ordered, gold, [], rules, tail=Tail(None, 2))[1].harmful
    assert mix(ordered, gold, [], rules, tail=Tail(None, 0))[1].harmful


# -- who is shown them


def test_gold_goes_to_who_has_not_seen_it_and_repeats_to_who_answered() -> None:
    team = [Annotator(name=f"a{n}", pseudonym=f"p{n}") for n in range(4)]
    gold = [row._replace(already=frozenset({"a0", "a1"})) for row in rows(20, "g", "gold")]
    seen_by_all = [row._replace(already=frozenset({"a0", "a1", "a2", "a3"})) for row in rows(20, "h", "gold")]
    repeats = [row._replace(already=frozenset({"a3", "left"})) for row in rows(20, "r", "repeat")]
    planned = plan(rows(200), [], team, RULES, gold=[*gold, *seen_by_all], repeats=repeats)
    by_purpose: dict[str, set[tuple[tuple[str, ...], int]]] = {}
    for record in planned.records:
        by_purpose.setdefault(record.purpose, set()).add((record.assigned, record.needed))
        assert record.queue == "drafts"
        assert not record.seed_id.startswith("h")
    assert by_purpose["gold"] == {(("a2", "a3"), 2)}
    assert by_purpose["repeat"] == {(("a3",), 1)}
    assert [record.position for record in planned.records] == list(range(len(planned.records)))


def test_gold_that_only_a_machine_has_not_seen_is_left_out() -> None:
    team = [Annotator(name="a1", pseudonym="p1"), Annotator(name="m1", kind="machine", pseudonym="p2")]
    gold = [row._replace(already=frozenset({"a1"})) for row in rows(20, "g", "gold")]
    assert {record.purpose for record in plan(rows(200), [], team, RULES, gold=gold).records} == {"review"}


# -- out of the ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "curate.db", create=True) as opened:
        yield opened


class Written:
    """Writes drafts, records, answers and decisions into a ledger, as the commands would have."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.count = 0

    def draft(self, branch: Branch = "benign", category: str | None = None) -> str:
        """The id of a new draft's first revision."""
        self.count += 1
        seed = seed_id("set", f"Question {self.count}?")
        trace = trace_id(seed, "Hm.", "Yes.", None)
        self.ledger.add(
            [
                NewRow(
                    Seed(id=seed, family="", prompt=f"Question {self.count}?", source="set", category=category),
                    Trace(id=trace, seed_id=seed, text="Hm.", answer="Yes."),
                    Label(branch),
                )
            ]
        )
        draft = f"d{self.count:016x}"
        with self.ledger.transaction() as db:
            run = db.execute(
                "INSERT INTO runs (command, structure, host, pid, started_at, heartbeat_at) VALUES (?,?,?,?,?,?)",
                ("generate", "alttrain", "h", 1, AT, AT),
            ).lastrowid
            db.execute(
                "INSERT INTO drafts VALUES (?,?,?,?,?,?,?,?,?,?)",
                (draft, seed, trace, "alttrain", branch, "dataset", None, run, AT, None),
            )
            db.execute(
                "INSERT INTO revisions VALUES (?,?,?,?,?,?,?,?,?,?)",
                (f"{draft}.1", draft, 1, "m", "machine", "Hm. Yes.", None, "[]", 0, AT),
            )
        return f"{draft}.1"

    def record(
        self,
        revision: str,
        answers: dict[str, str | None],
        *,
        queue: Queue = "drafts",
        purpose: Purpose = "review",
        position: int = 0,
        closed: bool = True,
        kind: Kind = "person",
        answer_right: AnswerRight | None = None,
    ) -> None:
        """A record of a revision with what each annotator chose; None: they skipped it."""
        self.count += 1
        name = f"r{self.count:016x}"
        ((seed,),) = self.ledger.query(
            "SELECT seed_id FROM drafts JOIN revisions ON draft_id = drafts.id WHERE revisions.id = ?", (revision,)
        )
        record = ReviewRecord(
            id=name,
            queue=queue,
            seed_id=str(seed),
            revision_id=revision,
            purpose=purpose,
            position=position,
            assigned=tuple(sorted(answers)),
            needed=1,
        )
        insert_records(self.ledger, [record])
        save_responses(
            self.ledger,
            (
                Response(
                    record_id=name,
                    annotator=who,
                    kind=kind,
                    status="submitted" if choice else "skipped",
                    choice=Choice(choice) if choice else None,
                    answer_right=answer_right,
                    answered_at=AT,
                )
                for who, choice in answers.items()
            ),
        )
        if closed:
            close_records(self.ledger, [(name, "decided")])

    def decide(
        self,
        revision: str,
        outcome: Outcome,
        *deciders: str,
        kind: Kind = "person",
        answer_right: bool | None = None,
    ) -> None:
        decision = Decision(
            revision_id=revision, outcome=outcome, kind=kind, deciders=deciders, answer_right=answer_right
        )
        ((seed,),) = self.ledger.query("SELECT seed_id FROM review_now WHERE revision_id = ?", (revision,))
        with self.ledger.transaction() as db:
            insert_decision(db, str(seed), decision)


@pytest.fixture
def written(ledger: Ledger) -> Written:
    return Written(ledger)


def test_gold_that_is_found_knows_who_was_asked_about_its_prompt(ledger: Ledger, written: Written) -> None:
    revision = written.draft("harmful", "privacy")
    written.record(revision, {"a1": "approve", "a2": None})
    written.record(revision, {"a3": "approve"}, purpose="gold")
    assert add_gold(ledger, revision.split(".")[0], "approve", None, "lead") == revision
    (found,) = find_gold(ledger, "alttrain")
    assert (found.revision_id, found.branch, found.category, found.purpose) == (revision, "harmful", "privacy", "gold")
    assert found.already == {"a1", "a2", "a3"}
    assert found.serial == 1
    assert find_gold(ledger, "full_rewrite") == []


def test_repeats_are_decided_drafts_far_enough_behind_and_none_twice(ledger: Ledger, written: Written) -> None:
    near, far, shared, again, still_open, skipped = (written.draft() for _ in range(6))
    written.record(near, {"a1": "approve"}, position=REPEAT_DISTANCE)
    written.record(far, {"a1": "approve", "a2": "reject", "a3": None}, position=0)
    written.record(shared, {"a1": "approve"}, queue="calibration", position=100)
    written.record(again, {"a1": "approve"})
    written.record(again, {"a1": "approve"}, purpose="repeat")
    written.record(still_open, {"a1": "approve"}, closed=False)
    written.record(skipped, {"a1": None})
    found = {row.revision_id: row for row in find_repeats(ledger, "alttrain")}
    assert set(found) == {far, shared}
    assert found[far].already == {"a1", "a2"}
    assert found[far].purpose == "repeat"


def test_only_what_persons_decided_with_one_voice_becomes_gold(ledger: Ledger, written: Written) -> None:
    adjudicated, rejected, unanimous, split, alone, edited, by_machine, with_machine, undecided = (
        written.draft("harmful" if n == 1 else "benign") for n in range(9)
    )
    written.record(adjudicated, {"j1": "approve"}, queue="adjudication")
    written.decide(adjudicated, "approved", "j1", answer_right=True)
    written.record(rejected, {"j1": "reject"}, queue="adjudication")
    written.decide(rejected, "rejected", "j1")
    written.record(unanimous, {"a1": "approve", "a2": "approve_with_edits"}, queue="calibration")
    written.decide(unanimous, "approved", "a1", "a2", answer_right=False)
    written.record(split, {"a1": "approve", "a2": "approve", "a3": "reject"}, queue="calibration")
    written.decide(split, "approved", "a1", "a2", "a3")
    written.record(alone, {"a1": "approve"}, queue="calibration")
    written.decide(alone, "approved", "a1")
    written.record(edited, {"a1": "approve_with_edits", "a2": "approve_with_edits"}, queue="calibration")
    written.decide(edited, "edited", "a1", "a2")
    written.record(by_machine, {"m1": "approve", "m2": "approve"}, queue="calibration", kind="machine")
    written.decide(by_machine, "approved", "m1", "m2", kind="machine")
    written.record(with_machine, {"a1": "approve", "a2": "approve"}, queue="calibration")
    written.decide(with_machine, "approved", "a1", "a2", "m1", kind="machine")
    written.record(undecided, {"a1": "approve", "a2": "approve"}, queue="calibration")
    assert set(fill_gold(ledger, 2)) == {adjudicated, rejected}
    assert fill_gold(ledger, 10) == [unanimous]
    assert fill_gold(ledger, 10) == []
    gold = {one.revision_id: (one.choice, one.answer_right, one.author) for one in list_gold(ledger)}
    assert gold == {
        adjudicated: ("approve", "yes", "j1"),
        rejected: ("reject", None, "j1"),
        unanimous: ("approve", "no", "a1, a2"),
    }


def test_figures_count_edits_as_approvals_and_skips_not_at_all(ledger: Ledger, written: Written) -> None:
    good, bad, harmful = written.draft(), written.draft(), written.draft("harmful")
    add_gold(ledger, good, "approve", "yes", "lead")
    add_gold(ledger, bad, "reject", "no", "lead")
    add_gold(ledger, harmful, "approve", None, "lead")
    choices: dict[str, str | None] = {"a1": "approve_with_edits", "a2": "unsure", "a3": None}
    written.record(good, choices, purpose="gold", answer_right=AnswerRight.YES)
    written.record(bad, {"a1": "approve", "a2": "reject"}, purpose="gold", answer_right=AnswerRight.YES)
    written.record(harmful, {"a1": "approve"}, purpose="gold")
    for revision, before, after in ((good, "approve", "approve_with_edits"), (bad, "approve", "reject")):
        written.record(revision, {"a2": before, "a3": before})
        written.record(revision, {"a2": after}, purpose="repeat")
    written.record(good, {"a3": "reject"}, purpose="review")
    a1, a2 = measure(ledger)
    assert (a1.name, a1.kind, a1.choices, a1.answers, a1.repeats) == (
        *("a1", "person", Rate.of(2, 3), Rate.of(1, 2), Rate.of(0, 0)),
    )
    assert (a2.name, a2.choices, a2.answers, a2.repeats) == ("a2", Rate.of(1, 2), Rate.of(1, 2), Rate.of(1, 2))
    assert {one.revision_id: one.choices for one in list_gold(ledger)} == {
        good: Rate.of(1, 2),
        bad: Rate.of(1, 2),
        harmful: Rate.of(1, 1),
    }


def test_gold_refuses_what_cannot_be(ledger: Ledger, written: Written) -> None:
    revision = written.draft("harmful")
    with pytest.raises(UsageError, match="refusal"):
        add_gold(ledger, revision, "approve", "yes", "lead")
    with pytest.raises(UsageError, match="no revision"):
        add_gold(ledger, "d0", "approve", None, "lead")
    add_gold(ledger, revision, "approve", None, "lead")
    add_gold(ledger, revision, "reject", None, "lead")
    assert [one.choice for one in list_gold(ledger)] == ["reject"]


def test_the_command_shows_gold_and_names_people_for_the_lead(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(curate, ["-C", str(tmp_path), "review", "gold", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    CliRunner().invoke(curate, ["init", str(tmp_path)], catch_exceptions=False)
    assert "No gold yet" in run()
    with Ledger.open(tmp_path / "curate.db") as ledger:
        written = Written(ledger)
        revision, other = written.draft(), written.draft()
        save_annotator(ledger, Annotator(name="a1", pseudonym="annotator-0001"))
        written.record(revision, {"a1": "approve"}, purpose="gold")
        written.record(other, {"j1": "reject"}, queue="adjudication")
        written.decide(other, "rejected", "j1")
    assert run("add", revision, "--choice", "approve", "--answer-right", "yes") == f"{revision} is gold: approve\n"
    assert json.loads(run("fill", "5", "--json")) == [other]
    assert "Nothing more" in run("fill", "5")
    shown = json.loads(run("--json"))
    assert [one["revision_id"] for one in shown["gold"]] == sorted([revision, other])
    assert [(one["name"], one["choices"]["n"]) for one in shown["annotators"]] == [("a1", 1)]
    assert "a1" in run()
