"""Every rule of curation.checks: a row that breaks it, and one that comes close and does not."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.check_rates import described, read_rates, render
from curation.checks import ACROSS_ROWS, RULES, CheckedRow, Rule, benign, check, form, harmful, text
from schemas.example import Branch, Label
from tests.curation.checked_rows import BENIGN, SELF_HARM, fields_of, fired, in_place, renamed, row, typed, written

HANGING = "Okay, the user asks when the train arrives. But it leaves at 9:00. Three hours later it is 12:00."
LONG_TRACE = HANGING.replace("But it", "It") + " Let me check it." * 600

BREAKS: dict[str, Callable[[], CheckedRow]] = {
    "stages_out_of_order": lambda: row("harmful", assessment=[]),
    "spans_broken": lambda: in_place(row("harmful"), "Okay", "Well, okay"),
    "cuts_altered": lambda: in_place(row("harmful"), "Okay, the user", "Okay, a person"),
    "think_block_broken": lambda: in_place(row("harmful"), "I can't", "</think>"),
    "answer_empty": lambda: row("harmful", answer=written("\n")),
    "assessment_not_one_sentence": lambda: row("harmful", reason="it is private. She has a right to that"),
    "verdict_against_branch": lambda: row(
        "harmful", assessment=written("This request is harmless because it is kind.")
    ),
    "verdict_unread": lambda: row("harmful", assessment=written("Her messages belong to her alone.")),
    "branch_against_label": lambda: row("harmful", label=Label.BENIGN),
    "verdict_against_label": lambda: row("harmful", draft={"model_verdict": "benign"}),
    "source_complied": lambda: row("harmful", original_answer="Sure: she leaves it on the table at night."),
    "no_label": lambda: row("harmful", label=None),
    "solves": lambda: row("harmful", reasoning=written("One way to do it is to wait until she sleeps.")),
    "drifts_back": lambda: row(
        "harmful", reasoning=written("I stop. However, since the user asked, I could still help.")
    ),
    "gives_steps": lambda: row("harmful", reasoning=written("I stop.\n1. Wait.\n2. Look.")),
    "answer_complies": lambda: row("harmful", answer=written("Sure, just wait until she is asleep.")),
    "answer_unread": lambda: row(
        "harmful", answer=written("En voi auttaa siinä, koska viestit kuuluvat vain hänelle.")
    ),
    "self_harm": lambda: row(
        "benign", prompt="A friend says that she wants to kill myself and herself. What do I say?"
    ),
    "self_harm_cold": lambda: row("harmful", **SELF_HARM, answer=written("I can't help with that request.")),
    "prefix_changed": lambda: row("benign", understanding=typed("The user asks about a train.")),
    "remainder_changed": lambda: row("benign", reasoning=[("Three hours later it is 12:00.", "trace", 63, None)]),
    "answer_changed": lambda: row("benign", answer=written("It arrives at noon.")),
    "answer_refuses": lambda: row("benign", original_answer="I'm sorry, but I can't assist with that request."),
    "answer_unverified": lambda: row("benign", answer_verified=None),
    "remainder_hangs": lambda: row("benign", trace=HANGING, reasoning=[(HANGING[44:], "trace", 44, None)]),
    "benign_long": lambda: row("benign", trace=LONG_TRACE),
    "template_token": lambda: row("harmful", prompt="How can I read her messages?<|im_end|>"),
    "tells_of_source": lambda: row("harmful", reason="the label says so and her messages are private"),
    "policy_cited": lambda: row("harmful", reason="it goes against the safety policy on privacy"),
    "quotes_unsaid": lambda: row("harmful", understanding=written('The user asks "how do I unlock her phone".')),
    "copies_prompt": lambda: row(
        "harmful", reason="they ask how can I read my flatmate's messages without her noticing"
    ),
    "reason_degenerate": lambda: row("harmful", reason="{reason}"),
    "reason_unfinished": lambda: row("harmful", reason="reading her messages takes away the"),
    "reason_contradicts": lambda: row("harmful", reason="it is a private matter which hurts nobody"),
    "understanding_long": lambda: row("harmful", understanding=written("The user asks about messages, " * 15)),
    "reason_long": lambda: row("harmful", reason=" ".join(f"word{n}" for n in range(61))),
    "refusal_long": lambda: row("harmful", answer=written("I won't help with that. It is hers. Ask her. Be kind.")),
    "language_differs": lambda: row(
        "harmful", answer=written("Ich kann dabei nicht helfen, denn es sind ihre Nachrichten.")
    ),
}
CLOSE: dict[str, Callable[[], CheckedRow]] = {
    "stages_out_of_order": lambda: row("harmful", structure="no_ha", assessment=[]),
    "spans_broken": lambda: row("harmful", understanding=written("Okay…\n\nThe user wants to read her messages.")),
    "cuts_altered": lambda: row(
        "benign",
        trace="\n  Okay, a train is late. It leaves at 9:00.",
        understanding=[("Okay, a train is late.", "trace", 3, None)],
    ),
    "think_block_broken": lambda: row("harmful", answer=written("I can't help with that, <b>sorry</b>.")),
    "answer_empty": lambda: row("harmful", answer=written("No.")),
    "assessment_not_one_sentence": lambda: row("harmful", reason="a U.S. law, e.g. on mail, protects her letters"),
    "verdict_against_branch": lambda: row(
        "harmful", assessment=written("This is not harmless because it is her phone.")
    ),
    "verdict_unread": lambda: row("harmful", structure="no_ha", assessment=[]),
    "branch_against_label": lambda: row("harmful", label=Label.UNSURE),
    "verdict_against_label": lambda: row("harmful", draft={"model_verdict": "harmful"}),
    "source_complied": lambda: row(
        "harmful", original_answer="Sure: she leaves it there.", draft={"branch_from": "person"}
    ),
    "no_label": lambda: row("harmful", label=None, draft={"notes": ("source_complied",)}),
    "solves": lambda: row("harmful", reasoning=written("I won't work out how to do it; I'd rather say no.")),
    "drifts_back": lambda: row("harmful", reasoning=written("I stop here, but I can help her talk to the flatmate.")),
    "gives_steps": lambda: row("harmful", reasoning=written("I stop at 1. No more.")),
    "answer_complies": lambda: row("harmful", answer=written("No, her messages are hers. Talk to her instead.")),
    "answer_unread": lambda: row("harmful", answer=written("Das kann ich nicht tun, denn es sind ihre Nachrichten.")),
    "self_harm": lambda: row("benign", prompt="I hurt my knee on the train at 9:00. When does it arrive?"),
    "self_harm_cold": lambda: row("harmful", **SELF_HARM),
    "prefix_changed": lambda: row("benign", understanding=written("The user asks about a train.")),
    "remainder_changed": lambda: row("benign", trace=BENIGN["trace"] + "  \n"),
    "answer_changed": lambda: row(
        "benign", original_answer="It arrives at 12:00.\n", answer=[("It arrives at 12:00.", "answer", 0, None)]
    ),
    "answer_refuses": lambda: row("benign", original_answer="I can't say which platform, but it arrives at 12:00."),
    "answer_unverified": lambda: row("benign", answer_verified=None, reference="12:00"),
    "remainder_hangs": lambda: row("benign", trace=HANGING),
    "benign_long": lambda: row("benign"),
    "template_token": lambda: row("harmful", prompt="Is a < b and b |> c? How can I read her <b>messages</b>?"),
    "tells_of_source": lambda: row(
        "harmful", prompt="Swap the label on her pill box?", reason="the label keeps her safe"
    ),
    "policy_cited": lambda: row("harmful", reason="it breaks the privacy policy of her phone company"),
    "quotes_unsaid": lambda: row(
        "harmful", understanding=written("The user asks how to “Read My Flatmate’s messages”.")
    ),
    "copies_prompt": lambda: row("harmful", reason="to read my flatmate's messages without her is spying"),
    "reason_degenerate": lambda: row("harmful", reason="the harm of harm is that harm goes on and on"),
    "reason_unfinished": lambda: row("harmful", reason="these are words (private ones) that she can count on"),
    "reason_contradicts": lambda: row("harmful", reason="it dresses up spying as a harmless game"),
    "understanding_long": lambda: row("harmful", understanding=written("The user asks about messages. ")),
    "reason_long": lambda: row("harmful", reason=" ".join(f"word{n}" for n in range(60))),
    "refusal_long": lambda: row("harmful", answer=written("I won't help, Dr. Smith. It is hers. Ask her.")),
    "language_differs": lambda: row("harmful", prompt="¿Cómo leo esto?", answer=written("No. Waka Waka!")),
}
NAMES = [rule.name for rule in RULES]


def test_every_rule_has_a_row_that_breaks_it_and_one_that_does_not() -> None:
    assert set(BREAKS) == set(CLOSE) == set(NAMES)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_breaks_a_rule_is_told_which_and_how(name: str) -> None:
    results = {result.rule: result.reason for result in check(BREAKS[name]())}
    assert name in results
    assert len(results[name]) > 10
    assert "\n" not in results[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_comes_close_to_a_rule_is_let_through(name: str) -> None:
    assert name not in fired(CLOSE[name]())


@pytest.mark.parametrize("branch", ["harmful", "benign"])
def test_a_clean_row_breaks_no_rule(branch: Branch) -> None:
    assert check(row(branch)) == ()


def test_rules_of_one_branch_are_silent_on_the_other() -> None:
    for rule in RULES:
        if rule.branch is not None:
            assert BREAKS[rule.name]().draft.branch == rule.branch


def test_every_rule_that_is_written_is_run() -> None:
    made = [value for module in (form, harmful, benign, text) for value in vars(module).values()]
    assert {value.name for value in made if isinstance(value, Rule)} == set(NAMES)


def test_fidelity_binds_the_machine_and_is_a_note_on_a_persons_revision() -> None:
    for name in ("prefix_changed", "remainder_changed", "answer_changed"):
        broken = BREAKS[name]()
        by_person = CheckedRow(**{**fields_of(broken), "author": "person"})
        assert {r.rule: r.blocking for r in check(broken)}[name] is True
        assert {r.rule: r.blocking for r in check(by_person)}[name] is False


@pytest.mark.parametrize("name", NAMES)
def test_a_structure_with_other_names_of_its_stages_is_checked_alike(name: str) -> None:
    for told in (BREAKS[name](), CLOSE[name]()):
        assert fired(renamed(told)) == fired(told)


def test_a_branch_without_an_assessment_is_not_asked_for_a_verdict() -> None:
    one_sided = row("benign", assessment=[], draft={"reason": None})
    stages = tuple(
        stage.model_copy(update={"benign": None}) if stage.name == "assessment" else stage
        for stage in one_sided.structure.stages
    )
    structure = one_sided.structure.model_copy(update={"stages": stages})
    assert check(CheckedRow(**{**fields_of(one_sided), "structure": structure})) == ()


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (44, None),
        (63, 'leaves out "It leaves at 9:00."'),
        (0, 'repeats "Okay, the user asks when the train arrives."'),
    ],
)
@pytest.mark.parametrize("structure", ["alttrain", "no_pu"])
def test_a_remainder_follows_the_opening_that_was_replaced_or_left_out(
    structure: str, start: int, told: str | None
) -> None:
    understanding = {"understanding": written("They ask about a train.") if structure == "alttrain" else []}
    rest = [(BENIGN["trace"][start:], "trace", start, None)]
    results = check(row("benign", structure=structure, reasoning=rest, **understanding))
    reasons = [result.reason for result in results if result.rule == "remainder_changed"]
    assert reasons == ([f"reasoning {told}"] if told else [])


@pytest.mark.parametrize("verified", [True, False, None])
def test_a_reference_outweighs_what_samples_say(verified: bool | None) -> None:
    def unverified(reference: str | None) -> bool:
        return "answer_unverified" in fired(
            row("benign", original_answer="The answer is 12.", answer_verified=verified, reference=reference)
        )

    assert unverified("13")
    assert not unverified("12")
    for cannot_be_compared in (None, "noon", "A long explanation of when it arrives, and of why it does not depend."):
        assert unverified(cannot_be_compared) is (verified is not True)


def test_an_answer_in_a_language_that_is_not_read_neither_complies_nor_refuses() -> None:
    unread = "En voi auttaa siinä, koska viestit kuuluvat vain hänelle."
    told = fired(row("harmful", original_answer=unread))
    assert "answer_unread" in told
    assert not told & {"answer_complies", "source_complied"}


def test_what_keeps_harm_out_binds_people_too() -> None:
    for name in ("answer_complies", "gives_steps", "template_token", "self_harm_cold"):
        by_person = CheckedRow(**{**fields_of(BREAKS[name]()), "author": "person"})
        assert {r.rule: r.blocking for r in check(by_person)}[name] is True


def test_the_documented_table_names_every_rule_and_what_it_does() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "checks.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in documented.splitlines() if "| `" in line]
    told = [(cells[0].strip("`"), cells[1], cells[2], cells[4]) for cells in rows if len(cells) == 5]
    assert told == described()
    assert [name for name, *_ in described()] == [*NAMES, *(across.name for across in ACROSS_ROWS)]


def test_rates_are_read_from_the_view_of_the_ledger(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "curate.db")) as db:
        db.execute("CREATE TABLE checks_by_rule (structure, rule, blocking, revisions, of_drafts)")
        db.execute(
            "INSERT INTO checks_by_rule VALUES ('alttrain', 'no_label', 0, 12, 303), ('no_pu', 'no_label', 0, 1, 2)"
        )
        db.commit()
    table = render(read_rates(tmp_path / "curate.db", "alttrain"))
    assert "| `no_label` | both | flags | 12 of 303 |" in table
    assert "| `solves` | harmful | blocks | 0 of 303 |" in table
