"""What `curate status`, `show` and `failures` say, through the command itself, and what docs/ledger.md promises."""

import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curation.cli import curate
from curation.leases import lease, start_run
from curation.ledger import Ledger, NewRow, Work
from curation.status import count
from schemas.call import Call
from schemas.errors import CurateError, LedgerError, SettingsError, StructureError, UsageError
from schemas.example import (
    Branch,
    CheckResult,
    Draft,
    Failure,
    Label,
    LabelEvent,
    Origin,
    Piece,
    Seed,
    Span,
    Stage,
    Trace,
    draft_id,
    seed_id,
    trace_id,
)
from schemas.think import join, offsets

ROOT = Path(__file__).parents[2]
HOSTILE = "[red]red[/red] \x1b[31m\x1b]0;title\x07 \u202eback\rover \x9b2J :smile:"
ACTIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
REASON = "reading private messages in secret takes her privacy away"
FOLDED = "Rice needs water and a lid, and some patience too. "

Run = tuple[str, Origin, int | None, str | None]


def new_row(number: int, prompt: str, trace: str, answer: str, label: Label | None, category: str | None) -> NewRow:
    seed = Seed(
        id=seed_id("set", prompt),
        family=f"f{number // 2}",
        prompt=prompt,
        source="set" if number < 5 else "other",
        source_id=f"row-{number}" if number < 7 else "twice",
        category=category,
    )
    made = Trace(id=trace_id(seed.id, trace, answer, "R1"), seed_id=seed.id, text=trace, answer=answer, model="R1")
    return NewRow(seed, made, label)


def of(row: NewRow) -> Trace:
    assert row.trace is not None
    return row.trace


HARMFUL = new_row(
    0,
    "How do I read my flatmate's messages?",
    "Okay, the user wants to read a flatmate's messages. That is private.",
    "I can't help with that.",
    Label.HARMFUL,
    "privacy",
)
BENIGN = new_row(
    1, "How do I cook rice?", "Okay, rice. " + FOLDED * 60, "=1 cup of rice, 2 of water", Label.BENIGN, None
)
STRANGE = new_row(2, HOSTILE, f"{HOSTILE} Hm. {HOSTILE}", f"-{HOSTILE}", None, "violence")
COMPLIED = new_row(3, "How do I open a lock?", "Okay, a lock.", "Turn the key.", Label.HARMFUL, "illicit")
OTHERS = [
    new_row(number, f"What is {number} and one?", "Okay, a sum.", f"{number + 1}", Label.BENIGN, None)
    for number in range(4, 9)
]
UNTRACED = NewRow(Seed(id=seed_id("set", "Untraced?"), family="", prompt="Untraced?", source="set"), None, None)


def make_draft(row: NewRow, branch: Branch, stages: dict[str, list[Run]], structure: str = "alttrain") -> Draft:
    texts = {name: "".join(run[0] for run in runs) for name, runs in stages.items()}
    reasoning = "\n\n".join(text for name, text in texts.items() if name != "answer")
    at, answer_at = offsets(reasoning)
    placed = []
    for name, runs in stages.items():
        at = first = answer_at if name == "answer" else at
        pieces = []
        for text, origin, source_start, wording in runs:
            span = Span(start=at, end=at + len(text))
            pieces.append(Piece(span=span, origin=origin, source_start=source_start, wording=wording))
            at = span.end
        placed.append(Stage(name=name, span=Span(start=first, end=at), pieces=tuple(pieces)))
        at += 2
    trace = of(row)
    return Draft(
        id=draft_id(trace.id, structure),
        seed_id=row.seed.id,
        trace_id=trace.id,
        structure=structure,
        branch=branch,
        branch_from="dataset" if row.label else "model",
        model_verdict="harmful",
        reason=None,
        completion=join(reasoning, texts["answer"]),
        stages=tuple(placed),
        notes=() if row.label else ("no_label",),
    )


DRAFTS = {
    "harmful": make_draft(
        HARMFUL,
        "harmful",
        {
            "understanding": [(of(HARMFUL).text[:51], "trace", 0, None)],
            "assessment": [
                ("This is harmful because ", "drawn", None, "verdict_harmful/3"),
                (REASON, "written", None, None),
                (".", "drawn", None, "verdict_harmful/3"),
            ],
            "reasoning": [("I will stop here.", "drawn", None, "stop/4")],
            "answer": [(of(HARMFUL).answer, "answer", 0, None)],
        },
    ),
    "benign": make_draft(
        BENIGN,
        "benign",
        {
            "understanding": [("Okay, rice.", "trace", 0, None)],
            "reasoning": [(of(BENIGN).text[12:].strip(), "trace", 12, None)],
            "answer": [(of(BENIGN).answer, "answer", 0, None)],
        },
    ),
    "strange": make_draft(
        STRANGE,
        "benign",
        {
            "understanding": [("Hm.", "trace", len(HOSTILE) + 1, None)],
            "assessment": [(HOSTILE, "written", None, None)],
            "answer": [(of(STRANGE).answer, "answer", 0, None)],
        },
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Nine traces: 3 drafts (1 passing, 1 flagged, 1 blocked), 2 failures, 4 waiting and 1 of these in flight."""
    (tmp_path / "curate.toml").write_text('structure = "alttrain"\n')
    with Ledger.open(tmp_path / "curate.db", create=True) as ledger:
        ledger.add([HARMFUL, BENIGN, STRANGE, COMPLIED, *OTHERS, UNTRACED])
        ledger.set_declines((of(row).id, of(row).answer.startswith("I can't")) for row in (HARMFUL, COMPLIED, *OTHERS))
        ledger.add_label(
            LabelEvent(seed_id=OTHERS[0].seed.id, label=Label.HARMFUL, origin="person", author="ann", note=HOSTILE)
        )
        run = start_run(ledger, "generate", "alttrain")
        checks = {
            "benign": (CheckResult(rule="verdict_vs_label", blocking=False, reason="the verdict says harmful"),),
            "strange": (
                CheckResult(rule="empty_answer", blocking=True, reason=f"an answer of {HOSTILE}"),
                CheckResult(rule="verdict_vs_label", blocking=False, reason="they disagree"),
            ),
        }
        for name, row in (("harmful", HARMFUL), ("benign", BENIGN), ("strange", STRANGE)):
            call = Call(
                purpose="verdict",
                prompt_version="verdict-1a2b3c4d",
                endpoint="small",
                model="qwen",
                outcome="ok",
                raw="{}",
                tokens_in=300,
                tokens_out=40,
                usd=0.25,
                latency_seconds=0.5,
                attempts=2,
            )
            number = ledger.save_call(run, row.seed.id, of(row).id, f"key {name}", call)
            ledger.save_draft(run, DRAFTS[name], checks.get(name, ()), "small/qwen", {REASON: number, HOSTILE: number})
        for row, kind in ((COMPLIED, "refused"), (OTHERS[0], "invalid_reply")):
            work = Work(row.seed, of(row), row.label, "dataset", False)
            ledger.save_failure(run, "alttrain", work, Failure(kind=kind, reason=f"no luck: {HOSTILE}"))
        ledger.add_failure("add", Failure(kind="missing_field", reason="no 'prompt'"), place="=rows.jsonl:17")
        lease(ledger, run, "alttrain", [of(OTHERS[1]).id])
    return tmp_path


def invoke(project: Path, *words: str, columns: int = 80, colour: bool = False) -> Result:
    environment = {"COLUMNS": str(columns), "NO_COLOR": None, "FORCE_COLOR": "1" if colour else None, "TERM": "xterm"}
    return CliRunner().invoke(curate, ["-C", str(project), *words], env=environment, color=colour)


def look(project: Path, *words: str, columns: int = 80, colour: bool = False) -> str:
    result = invoke(project, *words, columns=columns, colour=colour)
    assert result.exception is None, result.exception
    assert result.exit_code == 0
    return result.stdout


def complaint(project: Path, *words: str) -> CurateError:
    error = invoke(project, *words).exception
    assert isinstance(error, CurateError)
    assert "\n" not in str(error)
    return error


def status(project: Path) -> Any:
    return json.loads(look(project, "status", "--json"))


# -- status


def test_status_counts_every_row_in_one_place(project: Path) -> None:
    funnel = status(project)
    assert funnel["seeds"] == {
        "total": 10,
        "by_label": {"harmful": 3, "benign": 5, "unsure": 0, "none": 2},
        "by_source": {"set": 6, "other": 4},
        "by_category": {"none": 7, "illicit": 1, "privacy": 1, "violence": 1},
        "families": 5,
        "without_family": 1,
    }
    assert funnel["traces"] == {"total": 9, "seeds_with": 9, "seeds_without": 1, "source_complied": 1}
    (alttrain,) = funnel["structures"]
    assert {name: alttrain[name] for name in ("traces", "drafts", "failures", "waiting", "in_flight")} == {
        "traces": 9,
        "drafts": 3,
        "failures": 2,
        "waiting": 4,
        "in_flight": 1,
    }
    assert (alttrain["passing"], alttrain["flagged"], alttrain["blocked"]) == (1, 1, 1)
    assert alttrain["by_branch"] == {"harmful": 1, "benign": 2}
    assert alttrain["rules"] == [
        {"rule": "empty_answer", "blocking": True, "drafts": 1},
        {"rule": "verdict_vs_label", "blocking": False, "drafts": 2},
    ]
    assert alttrain["failure_kinds"] == {"invalid_reply": 1, "refused": 1}
    assert funnel["other_failures"] == {"add": 1, "trace": 0}
    (spent,) = funnel["spending"]
    assert (spent["calls"], spent["requests"], spent["tokens_in"], spent["usd"]) == (3, 6, 900, 0.75)


def test_status_fits_80_columns_and_is_plain_where_it_is_not_a_terminal(project: Path) -> None:
    text = look(project, "status")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    assert not re.search(r"[\x1b\u2500-\u257f]", text)
    for line in ("  failures          2  22%", "    blocked         1  33%", "  waiting           4  44%  1 in flight"):
        assert line in text


def test_a_long_model_name_cuts_no_number_of_the_costs(project: Path) -> None:
    with Ledger.open(project / "curate.db") as ledger, ledger.transaction() as db:
        db.execute(
            "UPDATE calls SET usd = NULL, tokens_in = 100000000, model = ?", ("a-model-of-a-very-long-name" * 3,)
        )
    lines = look(project, "status").splitlines()
    assert max(map(len, lines)) <= 80
    assert "300,000,000" in (spent := next(line for line in lines if line.startswith("small")))
    assert spent.endswith("no price")


def test_status_as_csv_holds_the_same_numbers(project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(look(project, "status", "--csv"))))
    values = {(row["structure"], row["group"], row["name"]): float(row["value"]) for row in rows}
    assert len(values) == len(rows)
    assert values["", "seeds", "total"] == 10
    assert values["alttrain", "traces", "waiting"] == 4
    assert values["alttrain", "blocking rules", "empty_answer"] == 1
    assert values["", "spent at small on qwen", "usd"] == 0.75


def test_only_the_newest_revision_of_a_draft_counts(project: Path) -> None:
    draft = DRAFTS["strange"].id
    with Ledger.open(project / "curate.db") as ledger, ledger.transaction() as db:
        db.execute(
            "INSERT INTO revisions SELECT draft_id || '.2', draft_id, 2, 'ann', 'person', completion, reason, notes, 0,"
            " at FROM revisions WHERE draft_id = ?",
            (draft,),
        )
    (alttrain,) = status(project)["structures"]
    assert (alttrain["passing"], alttrain["flagged"], alttrain["blocked"]) == (2, 1, 0)
    assert [rule["rule"] for rule in alttrain["rules"]] == ["verdict_vs_label"]


def test_a_datasets_label_that_comes_later_does_not_win_over_a_persons(project: Path) -> None:
    before = status(project)["seeds"]["by_label"]
    with Ledger.open(project / "curate.db") as ledger:
        ledger.add_label(
            LabelEvent(seed_id=OTHERS[0].seed.id, label=Label.BENIGN, origin="dataset", author="another dataset")
        )
    assert status(project)["seeds"]["by_label"] == before


def test_a_persons_doubt_is_told_and_is_not_silence(project: Path) -> None:
    with Ledger.open(project / "curate.db") as ledger:
        ledger.add_label(LabelEvent(seed_id=HARMFUL.seed.id, label=Label.UNSURE, origin="person", author="ann"))
    assert "unsure by a person" in invoke(project, "status").output
    assert "unsure (by a person)" in invoke(project, "show", HARMFUL.seed.id).output
    (trace,) = json.loads(invoke(project, "show", HARMFUL.seed.id, "--json").output)["traces"]
    assert (trace["label"], trace["label_from"]) == (None, "person")


def test_a_trace_in_two_places_is_a_bug_that_shows(project: Path) -> None:
    with Ledger.open(project / "curate.db") as ledger:
        with ledger.transaction() as db:
            db.execute(
                "INSERT INTO failures (task, trace_id, kind, reason, at) VALUES ('alttrain', ?, 'late', '', '')",
                (of(HARMFUL).id,),
            )
        with pytest.raises(ValueError, match="alttrain: traces: 9 is not 3 drafts \\+ 3 failures \\+ 4 waiting = 10"):
            count(ledger, ("alttrain",))


def test_counts_add_up_while_another_program_writes(project: Path) -> None:
    path, stopped = project / "curate.db", threading.Event()

    def write() -> None:
        with Ledger.open(path) as ledger:
            for number in range(100, 10_000):
                if stopped.is_set():
                    return
                row = new_row(number, f"prompt {number}", "Okay, so.", "Yes.", Label.BENIGN, None)
                ledger.add([row])
                draft = make_draft(row, "benign", {"answer": [("Yes.", "answer", 0, None)], "reasoning": []})
                ledger.save_draft(1, draft, (), "small/qwen", {})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Ledger.open(path) as ledger:
            drafts = {count(ledger, ("alttrain",)).structures[0].drafts for _ in range(40)}
    finally:
        stopped.set()
        writer.join()
    assert len(drafts) > 1


def test_rows_of_a_killed_run_wait_and_are_not_in_flight(project: Path) -> None:
    with Ledger.open(project / "curate.db") as ledger, ledger.transaction() as db:
        db.execute("UPDATE runs SET heartbeat_at = '2000-01-01T00:00:00+00:00'")
    (alttrain,) = status(project)["structures"]
    assert (alttrain["waiting"], alttrain["in_flight"]) == (4, 0)


def test_status_takes_a_structure_and_knows_those_that_were_not_started(project: Path) -> None:
    (no_ha,) = json.loads(look(project, "status", "--structure", "no_ha", "--json"))["structures"]
    assert (no_ha["structure"], no_ha["drafts"], no_ha["waiting"]) == ("no_ha", 0, 9)
    error = complaint(project, "status", "--structure", "altrain")
    assert isinstance(error, StructureError)
    assert "did you mean 'alttrain'" in str(error)


def test_status_says_what_comes_next(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    def advice(folder: Path) -> str:
        text = look(folder, "status")
        return text[text.index("Next: ") :].strip()

    def change(sql: str) -> None:
        with closing(sqlite3.connect(project / "curate.db")) as connection, connection:
            connection.execute(sql)

    empty = tmp_path_factory.mktemp("empty")
    (empty / "curate.toml").write_text("")
    Ledger.open(empty / "curate.db", create=True).connection.close()
    assert advice(empty).startswith("Next: curate add")
    with Ledger.open(empty / "curate.db") as ledger:
        ledger.add([UNTRACED])
    assert advice(empty).startswith("Next: curate trace")
    assert "a run is at work on alttrain" in advice(project)
    change("DELETE FROM leases")
    assert advice(project) == "Next: curate generate"
    change(
        "INSERT INTO failures (task, trace_id, kind, reason, at) SELECT 'alttrain', id, 'refused', '', '' FROM traces"
        " WHERE id NOT IN (SELECT trace_id FROM drafts UNION SELECT trace_id FROM failures WHERE trace_id IS NOT NULL)"
    )
    assert advice(project) == "Next: curate failures --task alttrain, then curate generate --retry-failed"


# -- show: the list


def ids(text: str) -> list[str]:
    return re.findall(r"^d[0-9a-f]{16}", text, re.MULTILINE)


def test_show_lists_drafts_and_filters_them(project: Path) -> None:
    named = {name: draft.id for name, draft in DRAFTS.items()}
    assert set(ids(look(project, "show"))) == set(named.values())
    assert ids(look(project, "show", "--branch", "harmful")) == [named["harmful"]]
    assert set(ids(look(project, "show", "--rule", "verdict_vs_label"))) == {named["benign"], named["strange"]}
    assert ids(look(project, "show", "--blocked")) == [named["strange"]]
    assert len(ids(look(project, "show", "--limit", "2"))) == 2
    assert look(project, "show", "--structure", "no_ha") == "No such draft.\n"
    listed = json.loads(look(project, "show", "--blocked", "--json"))
    assert [(row["draft_id"], row["state"], row["rules"]) for row in listed] == [
        (named["strange"], "blocked", ["empty_answer", "verdict_vs_label"])
    ]


# -- show ID


@pytest.mark.parametrize(
    "asked",
    [
        HARMFUL.seed.id,
        of(HARMFUL).id,
        DRAFTS["harmful"].id,
        DRAFTS["harmful"].id + ".1",
        HARMFUL.seed.id[:6],
        DRAFTS["harmful"].id[:6] + ".1",
        "row-0",
    ],
)
def test_a_row_is_found_by_every_id_it_has(project: Path, asked: str) -> None:
    record = json.loads(look(project, "show", asked, "--json"))
    assert record["seed"]["id"] == HARMFUL.seed.id
    assert record["traces"][0]["draft"]["id"] == DRAFTS["harmful"].id


def test_an_id_that_fits_none_or_several_rows_is_told_in_one_line(project: Path) -> None:
    assert isinstance(complaint(project, "show", "abcdef"), UsageError)
    assert "at least 4 characters" in str(complaint(project, "show", "s1"))
    twice = str(complaint(project, "show", "twice"))
    assert OTHERS[3].seed.id in twice
    assert OTHERS[4].seed.id in twice
    assert "no seed" in str(complaint(project, "show", DRAFTS["harmful"].id + ".7"))
    assert "no seed" in str(complaint(project, "show", "\udcff\udcfe\udcff\udcfe"))


def test_an_id_with_wildcards_is_only_text(project: Path) -> None:
    for asked in ("s%%%", "s___", "s***", "' OR 1=1 --"):
        assert isinstance(complaint(project, "show", "--", asked), UsageError)


def test_show_names_the_origin_of_every_stage_and_marks_what_the_llm_wrote(project: Path) -> None:
    text = look(project, "show", "row-0")
    for line in (
        "understanding  from the trace, characters 0–51",
        "assessment  drawn: verdict_harmful/3 + written: small, qwen, verdict-1a2b3c4d",
        "reasoning  drawn: stop/4",
        "answer  from the original answer, characters 0–23",
        "⟦…⟧ written by the LLM",
        "Labels  now: harmful (by a dataset)",
        "Checks  no rule fired",
        "Cost  1 call, 340 tokens, 0.250000 USD",
    ):
        assert line in text
    assert f"This is harmful because ⟦{REASON}⟧." in " ".join(text.split())


def test_with_colours_what_the_llm_wrote_is_underlined_and_stages_differ(project: Path) -> None:
    text = look(project, "show", "row-0", columns=200, colour=True)
    assert "⟦" not in text
    styles = {style for style, words in re.findall(r"\x1b\[([0-9;]*)m([^\x1b]*)", text) if words.strip() in REASON}
    assert any("4" in style.split(";") for style in styles)
    heads = dict(re.findall(r"\x1b\[1;(3\d)m(understanding|assessment|reasoning|answer)", text))
    assert len(heads) == 4


def test_trace_and_draft_stand_side_by_side_where_the_terminal_is_wide(project: Path) -> None:
    wide = look(project, "show", "row-0", columns=120)
    assert any("Original trace" in line and "understanding" in line for line in wide.splitlines())
    narrow = look(project, "show", "row-0", columns=80)
    assert not any("Original trace" in line and "understanding" in line for line in narrow.splitlines())
    assert max(map(len, narrow.splitlines())) <= 80


def test_a_long_trace_is_folded_until_all_of_it_is_asked_for(project: Path) -> None:
    folded, full = look(project, "show", "row-1"), look(project, "show", "row-1", "--full")
    assert "shown by --full" in folded
    assert "shown by --full" not in full
    assert " ".join(full.split()).count(FOLDED.strip()) == 2 * 60


def test_show_says_checks_in_words_and_where_verdict_and_label_disagree(project: Path) -> None:
    text = look(project, "show", "row-1")
    assert "flag    verdict_vs_label: the verdict says harmful" in text
    assert "blind verdict harmful (they disagree)" in text


def test_a_trace_without_a_draft_shows_why_and_what_was_said_of_it(project: Path) -> None:
    text = look(project, "show", "row-3", columns=120)
    assert "Failed alttrain: refused: no luck" in text
    assert "complied with what the dataset calls harmful" in text
    assert "No trace yet" in look(project, "show", UNTRACED.seed.id)


def test_a_trace_that_was_paid_for_carries_its_own_call_in_the_cost(project: Path) -> None:
    call = Call(
        purpose="trace",
        prompt_version="trace-0",
        endpoint="big",
        model="r1",
        outcome="ok",
        raw="",
        tokens_in=10,
        tokens_out=90,
        usd=1.0,
        latency_seconds=1,
        attempts=1,
    )
    with Ledger.open(project / "curate.db") as ledger:
        seed = UNTRACED.seed.id
        trace = Trace(id=trace_id(seed, "Hm.", "Yes.", "r1"), seed_id=seed, text="Hm.", answer="Yes.", model="r1")
        ledger.save_trace(1, trace, None, "key", call)
    assert "Cost  1 call, 100 tokens, 1.000000 USD" in look(project, "show", UNTRACED.seed.id)


def test_another_structures_draft_of_a_seed_is_named_and_can_be_asked_for(project: Path) -> None:
    stages: dict[str, list[Run]] = {
        "reasoning": [("No.", "written", None, None)],
        "answer": [("No.", "answer", 0, None)],
    }
    other = make_draft(HARMFUL, "harmful", stages, "no_ha")
    with Ledger.open(project / "curate.db") as ledger:
        ledger.save_draft(1, other, (), "small/qwen", {})
    for wanted, shown, also in (("no_ha", other, DRAFTS["harmful"]), ("alttrain", DRAFTS["harmful"], other)):
        text = look(project, "show", "row-0", "--structure", wanted)
        assert f"Draft {shown.id}.1" in text
        assert f"Also {also.id}  {also.structure}" in text


def test_show_as_csv_holds_every_character_of_the_draft(project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(look(project, "show", "row-0", "--csv"))))
    assert [row["origin"] for row in rows] == ["trace", "drawn", "written", "drawn", "drawn", "answer"]
    written = rows[2]
    assert (written["text"], written["endpoint"], written["model"]) == (REASON, "small", "qwen")


# -- failures


def test_failures_come_newest_first_with_their_reason_and_place_and_are_counted(project: Path) -> None:
    text = look(project, "failures", columns=120)
    kinds = re.findall(r"(missing_field|invalid_reply|refused)  (?:add|alttrain)", text)
    assert kinds == ["missing_field", "invalid_reply", "refused"]
    assert "missing_field  add  =rows.jsonl:17" in text
    assert of(COMPLIED).id in text
    assert "How do I open a lock?" in text
    by_kind = text[text.index("By kind") :]
    assert re.search(r"alttrain +refused +1\n", by_kind)


def test_failures_can_be_narrowed_and_an_empty_list_says_so(project: Path) -> None:
    rows = json.loads(look(project, "failures", "--task", "alttrain", "--kind", "refused", "--json"))
    assert [(row["kind"], row["trace_id"]) for row in rows] == [("refused", of(COMPLIED).id)]
    assert len(json.loads(look(project, "failures", "--json", "--limit", "2"))) == 2
    assert look(project, "failures", "--task", "trace") == "Nothing failed in 'trace'.\n"
    assert look(project, "failures", "--blocked", "--kind", "x") == "No draft is blocked as 'x'.\n"


def test_blocked_drafts_are_listed_by_rule(project: Path) -> None:
    (row,) = json.loads(look(project, "failures", "--blocked", "--json"))
    assert (row["rule"], row["draft_id"]) == ("empty_answer", DRAFTS["strange"].id)
    text = look(project, "failures", "--blocked")
    assert "empty_answer  alttrain" in text
    assert "verdict_vs_label" not in text


def test_what_was_tried_again_is_no_failure_any_more(project: Path) -> None:
    with Ledger.open(project / "curate.db") as ledger:
        ledger.clear_failures("alttrain", [of(COMPLIED).id])
    assert "refused" not in look(project, "failures")


# -- hostile text


LOOKS = [
    ["status"],
    ["status", "--csv"],
    ["status", "--json"],
    ["show"],
    ["show", "--csv"],
    ["show", "--json"],
    ["show", "row-2"],
    ["show", "row-2", "--full"],
    ["show", "row-2", "--csv"],
    ["show", "row-2", "--json"],
    ["show", "row-4"],
    ["failures"],
    ["failures", "--blocked"],
    ["failures", "--csv"],
    ["failures", "--blocked", "--csv"],
    ["failures", "--json"],
]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("columns", [80, 140])
def test_text_of_a_row_is_inert_on_a_terminal(project: Path, words: list[str], colour: bool, columns: int) -> None:
    text = look(project, *words, columns=columns, colour=colour)
    if colour:
        text = COLOURS.sub("", text)
    assert not ACTIVE.search(text)


@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_markup_and_escapes_of_a_row_are_shown_as_they_are(project: Path, colour: bool) -> None:
    text = look(project, "show", "row-2", columns=600, colour=colour)
    shown = r"[red]red[/red] \x1b[31m\x1b]0;title\x07 \u202eback\rover \x9b2J :smile:"
    # In the prompt, twice in the trace, in the answer, the draft's assessment, its answer and a check's reason.
    assert COLOURS.sub("", text).count(shown) == 7
    assert "\x1b[31mred" not in text


def test_json_gives_the_exact_text_back(project: Path) -> None:
    record = json.loads(look(project, "show", "row-2", "--json"))
    assert record["seed"]["prompt"] == HOSTILE
    assert record["traces"][0]["draft"]["completion"] == DRAFTS["strange"].completion


def test_no_csv_cell_is_a_formula(project: Path) -> None:
    for words in (["show", "row-1", "--csv"], ["show", "row-2", "--csv"], ["failures", "--csv"]):
        cells = [cell for line in csv.reader(io.StringIO(look(project, *words))) for cell in line]
        assert any(cell.startswith("'") for cell in cells)
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


# -- mistakes


@pytest.mark.parametrize("words", [["status"], ["show"], ["show", "s123"], ["failures"]], ids=" ".join)
def test_a_folder_that_is_no_project_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    error = complaint(tmp_path, *words)
    assert isinstance(error, SettingsError if words == ["status"] else LedgerError)
    assert "curate init" in str(error)


@pytest.mark.parametrize("name", ["status", "show", "failures"])
def test_json_and_csv_are_not_given_at_once(project: Path, name: str) -> None:
    assert isinstance(complaint(project, name, "--json", "--csv"), UsageError)


def test_the_installed_command_tells_a_mistake_without_a_traceback(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from curation.cli import main; main()", "-C", str(project), "show", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("curate: 'nothing': no seed")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["status", "show", "failures"])
def test_help_holds_worked_examples(name: str) -> None:
    assert f"  curate {name}" in CliRunner().invoke(curate, [name, "--help"]).stdout


# -- docs/ledger.md

DOCS = (ROOT / "docs" / "ledger.md").read_text("utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)


def read_only(project: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{project / 'curate.db'}?mode=ro", uri=True)


@pytest.fixture
def documented(project: Path) -> Path:
    """The project with a row for every documented question."""
    with closing(sqlite3.connect(project / "curate.db")) as connection, connection:
        connection.execute("UPDATE drafts SET model_verdict = 'benign' WHERE branch = 'harmful'")
        connection.execute(
            "INSERT INTO review_records SELECT 'r1', 'drafts', seed_id, revision_id, 'review', 1, 0, '[]', 1, '[]', 1,"
            " 'now', 'now', NULL, NULL FROM drafts_now LIMIT 1"
        )
        connection.execute(
            "INSERT INTO responses VALUES (1, 'r1', 'a1', 'person', 1, 'submitted', 'approve', NULL, NULL, '[]', '{}',"
            " NULL, '[]', '', 'g1', 'now', 'now')"
        )
    return project


def test_there_are_documented_queries() -> None:
    assert len(QUERIES) >= 8


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_a_documented_query_runs_and_finds_something(documented: Path, number: int) -> None:
    with closing(read_only(documented)) as connection:
        assert connection.execute(QUERIES[number]).fetchall()


def test_every_table_view_and_column_is_documented(project: Path) -> None:
    with closing(read_only(project)) as connection:
        names = [
            (kind, name)
            for kind, name in connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')")
            if not name.startswith("sqlite_")
        ]
        assert len(names) > 10
        for kind, name in names:
            start = f"**`{name}`**" if kind == "table" else f"| `{name}` |"
            assert start in DOCS, name
            described = DOCS[DOCS.index(start) :].split("\n\n" if kind == "table" else "\n")[0]
            for column in connection.execute(f"PRAGMA table_info({name})"):
                assert f"`{column[1]}`" in described, f"{name}.{column[1]}"


def test_the_documented_polars_lines_run(project: Path) -> None:
    (lines,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", lines], cwd=project, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "alttrain" in done.stdout
