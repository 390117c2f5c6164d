import csv
import json
import os
import re
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from curation.field_maps import FIELD_MAPS, describe_field_maps, parse_category, recognise
from curation.sources import MAX_PROMPT_CHARACTERS, BadRow, SourceRow, read_source
from schemas.errors import SourceError
from schemas.example import Category, Label, identify

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ALTTRAIN_SHARED", ROOT.parent / "shared"))
ROW = {"prompt": "How do I bake bread?", "trace": "Bread needs flour.", "answer": "Mix and bake.", "label": "benign"}


def _write(path: Path, *rows: Mapping[str, object] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _read(path: Path | str, **options: object) -> list[SourceRow | BadRow]:
    return list(read_source(str(path), **options))  # type: ignore[arg-type]


def _only(path: Path, *rows: Mapping[str, object] | str, **options: object) -> SourceRow:
    (row,) = _read(_write(path / "rows.jsonl", *rows), **options)
    assert isinstance(row, SourceRow), row
    return row


def _refused(path: Path, row: Mapping[str, object] | str, **options: object) -> str:
    """The reason why a row is a bad one; a good row stands before and after it, and both must come through."""
    before, bad, after = _read(_write(path / "rows.jsonl", ROW, row, ROW), **options)
    assert isinstance(before, SourceRow)
    assert isinstance(after, SourceRow)
    assert isinstance(bad, BadRow), bad
    assert bad.where == f"{path / 'rows.jsonl'}:2"
    return bad.reason


# -- files


TEXTS: list[dict[str, str]] = [
    {"prompt": 'Say "hi", then\nstop.', "trace": "One.\r\nTwo — 思考 🤔", "answer": " kept, with its spaces "},
    {"prompt": "=HYPERLINK(\"http://127.0.0.1\";\"x\")", "trace": "=1+1", "answer": "@SUM(1)"},
    {"prompt": "{{ prompt }} $(date) `id` %s", "trace": "\\frac{1}{2}", "answer": "\x1b[31mred"},
]  # fmt: skip


def _as_csv(path: Path, delimiter: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(TEXTS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(TEXTS)
    return path


def _as_parquet(path: Path) -> Path:
    import polars

    polars.DataFrame(TEXTS).write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"])
def test_texts_come_to_the_character_out_of_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        _as_parquet(path)
    elif suffix in (".csv", ".tsv"):
        _as_csv(path, "," if suffix == ".csv" else "\t")
    else:
        _write(path, *TEXTS)
    rows = _read(path)
    assert [row for row in rows if isinstance(row, BadRow)] == []
    found = [
        {"prompt": row.seed.prompt, "trace": row.trace.text, "answer": row.trace.answer}
        for row in rows
        if isinstance(row, SourceRow) and row.trace
    ]
    assert found == TEXTS


def test_the_line_of_a_csv_row_is_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('prompt,label\n"two\nlines",benign\n\nx,benign,more\nlast,harmful\n')
    first, bad, last = _read(path)
    assert (first.where, bad.where, last.where) == (f"{path}:2", f"{path}:5", f"{path}:6")
    assert isinstance(bad, BadRow)
    assert bad.reason == "3 cells where the first line names 2 columns"


def test_blank_lines_are_no_rows_and_keep_the_count(tmp_path: Path) -> None:
    assert [row.where[-2:] for row in _read(_write(tmp_path / "rows.jsonl", ROW, "", "  ", ROW))] == [":1", ":4"]


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    for name, text in (("a.jsonl", json.dumps(ROW)), ("b.csv", '"prompt"\nBread?')):
        (tmp_path / name).write_text(text, "utf-8-sig")
        assert isinstance(_read(tmp_path / name)[0], SourceRow)


def test_a_folder_and_a_glob_are_read_file_by_file_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "data/.cache").mkdir(parents=True)
    for name in ("b.jsonl", "data/a.jsonl", "data/.cache/c.jsonl", "data/notes.txt", "data/package.json"):
        _write(tmp_path / name, ROW)
    assert [row.where for row in _read(tmp_path)] == [f"{tmp_path}/b.jsonl:1", f"{tmp_path}/data/a.jsonl:1"]
    assert [row.where for row in _read(f"{tmp_path}/**/a*.jsonl")] == [f"{tmp_path}/data/a.jsonl:1"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("missing.jsonl", "no such file"),
        ("folder/missing.jsonl", "no such file"),
        ("../missing", "no such file"),
        ("empty_folder", "no file in this folder"),
        ("*.tsv", "no file matches"),
        ("rows.jsonl.gz", "convert it"),
        ("empty.jsonl", "no rows in it"),
        ("empty.csv", "no rows in it"),
        ("header.csv", "no rows in it"),
        ("blank.jsonl", "no rows in it"),
        ("array.json", "jq -c"),
        ("utf16.jsonl", "iconv -f UTF-16"),
        ("utf16.csv", "iconv -f UTF-16"),
        ("twice.csv", "same name"),
        ("broken.parquet", "not a Parquet file"),
        ("folder.jsonl", "no file in this folder"),
        ("returns.csv", "tr '"),
        ("twice.parquet", "same name"),
        ("wide.jsonl", "'c19' and 280 more; which one holds the prompt?"),
    ],
)
def test_what_cannot_be_read_at_all_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "folder.jsonl").mkdir()
    Path("rows.jsonl.gz").write_bytes(b"\x1f\x8b")
    Path("empty.jsonl").touch()
    Path("empty.csv").touch()
    Path("header.csv").write_text("prompt,label\n")
    Path("blank.jsonl").write_text("\n\n")
    Path("array.json").write_text(json.dumps([ROW, ROW]))
    Path("utf16.jsonl").write_text(json.dumps(ROW), "utf-16")
    Path("utf16.csv").write_text("prompt\nBread?", "utf-16-le")
    Path("twice.csv").write_text("prompt,prompt\na,b\n")
    Path("broken.parquet").write_bytes(b"PAR1 and no more")
    Path("returns.csv").write_bytes(b"prompt,label\rBread?,benign\r")
    import pyarrow
    from pyarrow import parquet

    text = pyarrow.array(["Bread?"])
    parquet.write_table(pyarrow.table([text, text], names=["prompt", "prompt"]), "twice.parquet")
    _write(Path("wide.jsonl"), {f"c{number}": "" for number in range(300)})
    with pytest.raises(SourceError) as error:
        _read(spec)
    assert said in str(error.value)
    assert str(error.value).startswith(spec)
    assert "\n" not in str(error.value)


def test_a_file_among_others_that_cannot_be_read_is_listed_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    _write(tmp_path / "c.jsonl", {"text": "no prompt"})
    _write(tmp_path / "d.jsonl", ROW)
    *unreadable, row = _read(tmp_path)
    for bad, name, reason in zip(unreadable, "abc", ("no rows", "not a Parquet", "columns found"), strict=True):
        assert isinstance(bad, BadRow)
        assert bad.where.startswith(str(tmp_path / name))
        assert bad.reason.startswith(reason)
    assert isinstance(row, SourceRow)


def test_a_revision_is_refused_for_files_and_two_of_them_for_a_dataset(tmp_path: Path) -> None:
    for option in ({"revision": "main"}, {"split": "train"}):
        with pytest.raises(SourceError, match="a file has no revision or split"):
            _read(_write(tmp_path / "rows.jsonl", ROW), **option)
        with pytest.raises(SourceError, match="packaged: a file has no revision or split"):
            _read("packaged", **option)
    with pytest.raises(SourceError, match="two revisions"):
        _read("org/name@v1", revision="v2")


# -- bad rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{not json", "not JSON: Expecting property name"),
        ('"a text"', "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"prompt": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ({"answer": "no prompt at all"}, "no prompt in column 'prompt'"),
        ({"prompt": None}, "no prompt in column 'prompt'"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"prompt": 42}, "the prompt is a number, not text"),
        ({"prompt": {"text": "Hi"}}, "the prompt is an object, not text"),
        ({"prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)}, "100,001 characters, over the limit"),
        ({"prompt": "Hi\0there"}, "character 3 of the prompt is a NUL"),
        ('{"prompt": "Hi \\ud83d"}', r"character 4 of the prompt is half a character \(U\+D83D\)"),
        (ROW | {"answer": "cut \0"}, "character 5 of the answer is a NUL"),
        (ROW | {"trace": ["a", "b"]}, "the trace is a list, not text"),
        (ROW | {"trace": "a</think>b"}, "the trace holds thinking marks"),
        (ROW | {"answer": "a <think> b"}, "the answer holds thinking marks"),
        (ROW | {"label": "toxic"}, "the label 'toxic' is not one of harmful,.*--map label="),
        (ROW | {"label": True}, "the label is true or false, not text"),
        (ROW | {"license": {"name": "MIT"}}, "the license is an object, not text"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_reason_and_the_rest_goes_on(
    tmp_path: Path, row: Mapping[str, object] | str, reason: str
) -> None:
    assert re.search(reason, _refused(tmp_path, row))


def test_bytes_that_are_not_utf8_refuse_their_row_only(tmp_path: Path) -> None:
    for name, rows in (
        ("rows.jsonl", [b'{"prompt": "caf\xc3\xa9"}', b'{"prompt": "caf\xe9"}', b'{"prompt": "tea"}']),
        ("rows.csv", [b"prompt\ncaf\xc3\xa9", b"caf\xe9", b"tea"]),
    ):
        (tmp_path / name).write_bytes(b"\n".join(rows))
        good, bad, last = _read(tmp_path / name)
        assert isinstance(good, SourceRow)
        assert isinstance(last, SourceRow)
        assert good.seed.prompt == "café"
        assert isinstance(bad, BadRow)
        assert "character 4 of the prompt is not UTF-8 (byte 0xe9)" in bad.reason
        assert "iconv" in bad.reason


HUGE = 30_000_000


@pytest.mark.parametrize("name", ["rows.jsonl", "one_line.csv", "many_lines.csv"])
def test_a_huge_row_is_skipped_without_being_held(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("w") as file:
        if name == "rows.jsonl":
            file.write(json.dumps(ROW) + '\n{"prompt": "' + "x" * HUGE + '"}\n' + json.dumps(ROW) + "\n")
        else:
            line = "x" * 99 + ("\n" if name == "many_lines.csv" else '""')
            file.write('prompt,label\nBread?,benign\n"' + line * (HUGE // 100) + '",benign\nLast?,harmful\n')
    tracemalloc.start()
    before, bad, after = _read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(before, SourceRow)
    assert isinstance(bad, BadRow)
    assert "longer than 1 MB" in bad.reason
    assert isinstance(after, SourceRow)
    assert peak < 10_000_000


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('prompt\nBread?\n"open\nand so on\n')
    good, bad = _read(path)
    assert isinstance(good, SourceRow)
    assert bad == BadRow(f"{path}:3", "not CSV: unexpected end of data")


def test_a_text_longer_than_a_row_may_be_is_refused_in_parquet_too(tmp_path: Path) -> None:
    import polars

    path = tmp_path / "rows.parquet"
    polars.DataFrame({"prompt": ["a?", "b?"], "trace": ["x" * 1_000_001, "short"]}).write_parquet(path)
    bad, good = _read(path)
    assert isinstance(bad, BadRow)
    assert "longer than 1 MB" in bad.reason
    assert isinstance(good, SourceRow)


# -- replies


EDGE_CASES = [json.loads(line) for line in (ROOT / "tests/data/think_edge_cases.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", EDGE_CASES, ids=lambda case: str(case["id"]))
def test_a_whole_reply_is_split_as_think_splits_it_or_not_guessed_at(tmp_path: Path, case: dict[str, str]) -> None:
    (row,) = _read(_write(tmp_path / "rows.jsonl", {"prompt": "Two and two?", "completion": case["completion"]}))
    if case["trace"]:
        assert isinstance(row, SourceRow)
        assert row.trace
        assert (row.trace.text, row.trace.answer) == (case["trace"], case["answer"])
    elif case["id"] in ("edge-no-tags", "edge-empty-think", "edge-upper-case"):
        assert isinstance(row, SourceRow)
        assert row.trace is None
        assert "the prompt is kept" in row.note
    else:
        assert isinstance(row, BadRow)
        assert "cannot be told apart" in row.reason


def test_an_answer_without_reasoning_keeps_the_prompt_and_says_so(tmp_path: Path) -> None:
    row = _only(tmp_path, {"prompt": "Two and two?", "answer": "Four."})
    assert row.trace is None
    assert row.note == "an answer without reasoning: the prompt is kept, the answer is not"


def test_a_trace_column_may_wear_its_tags(tmp_path: Path) -> None:
    row = _only(tmp_path, ROW | {"trace": "<think>\nFlour first.\n</think>"})
    assert row.trace
    assert (row.trace.text, row.trace.answer) == ("Flour first.", "Mix and bake.")


def test_reasoning_that_stops_without_an_answer_is_a_trace_with_an_empty_one(tmp_path: Path) -> None:
    row = _only(tmp_path, {"prompt": "Bread?", "completion": "<think>\nFlour.\n</think>"})
    assert row.trace
    assert (row.trace.text, row.trace.answer) == ("Flour.", "")


Q, A = "Two and two?", "Add.</think>Four."
USER = {"role": "user", "content": Q}
REPLY = {"role": "assistant", "content": "<think>\nAdd.\n</think>\n\nFour."}


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({"messages": [USER, REPLY]}, ""),
        ({"messages": [{"role": "system", "content": "Be brief."}, USER, REPLY]}, "the system message is left out"),
        ({"messages": [USER, {"role": "assistant", "content": "Four.", "reasoning_content": "Add."}]}, ""),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, REPLY]}, ""),
        ({"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]}, ""),
        ({"prompt": [USER], "completion": [REPLY]}, ""),
    ],
)  # fmt: skip
def test_a_conversation_of_one_turn_is_a_prompt_with_its_reply(
    tmp_path: Path, row: Mapping[str, object], note: str
) -> None:
    found = _only(tmp_path, row)
    assert found.seed.prompt == "Two and two?"
    assert found.trace
    assert (found.trace.text, found.trace.answer) == ("Add.", "Four.")
    assert found.note == note


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER, REPLY, USER, REPLY], "not one user turn.*4 messages.*single-turn text only for now"),
        ([USER, USER], "single-turn text only"),
        ([REPLY], "single-turn text only"),
        ([], "single-turn text only"),
        ([REPLY, USER], "single-turn text only"),
        ([{"role": "tool", "content": "x"}], "without a known role"),
        (["Two and two?"], "without a known role"),
        ("Two and two?", "the messages are str, not a list"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "single-turn text only"),
        ([{"role": "user", "content": None}], "no prompt in column 'messages'"),
    ],
)
def test_other_conversations_are_refused_with_the_reason(tmp_path: Path, messages: object, reason: str) -> None:
    (bad,) = _read(_write(tmp_path / "rows.jsonl", {"messages": messages}))
    assert isinstance(bad, BadRow)
    assert re.search(reason, bad.reason)


# -- labels and what a source says of a row


@pytest.mark.parametrize(
    ("said", "label", "style"),
    [
        ("harmful", Label.HARMFUL, None),
        ("Unsafe", Label.HARMFUL, None),
        ("benign", Label.BENIGN, None),
        ("vanilla_harmful", Label.HARMFUL, "vanilla"),
        ("adversarial-benign", Label.BENIGN, "adversarial"),
        ("borderline", None, None),
        ("unsure", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_labels_are_harmful_benign_or_none_yet(
    tmp_path: Path, said: str | None, label: Label | None, style: str | None
) -> None:
    row = _only(tmp_path, ROW | {"label": said})
    assert (row.label, row.seed.style) == (label, style)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Illicit / Criminal Behavior", Category.ILLICIT),
        ("Privacy / Personal Data", Category.PRIVACY),
        ("Intellectual Property", Category.INTELLECTUAL_PROPERTY),
        ("Harassment / Hate / Discrimination", Category.HARASSMENT),
        ("Violence / Physical Harm", Category.VIOLENCE),
        ("Misinformation / Disinformation", Category.MISINFORMATION),
        ("Self-Harm", Category.SELF_HARM),
        ("Sexual / Adult", Category.SEXUAL),
        ("self_harm", Category.SELF_HARM),
        ("monty_hall_inverse", "monty_hall_inverse"),
        ("over-refusal: kill", "over-refusal: kill"),
    ],
)
def test_a_category_is_ours_where_it_means_the_same_and_else_stays(theirs: str, ours: str) -> None:
    assert parse_category(theirs) == ours


def test_what_a_source_says_of_a_row_is_kept(tmp_path: Path) -> None:
    said = {"id": 7, "category": "Self-Harm", "style": "adversarial", "source": "a set", "license": "MIT"}
    row = _only(tmp_path, ROW | said | {"model": "a model", "reference": 3.5, "family": "bread"}, license="CC0-1.0")
    assert row.seed.model_dump(exclude={"id", "prompt"}) == {
        "family": identify("f", "a set", "bread"),
        "source": "a set",
        "source_id": "7",
        "license": "MIT",
        "category": "self_harm",
        "style": "adversarial",
        "reference": "3.5",
    }
    assert row.trace
    assert row.trace.model == "a model"


def test_a_family_is_its_sources_own_and_shared_within_it(tmp_path: Path) -> None:
    rows = [ROW | {"family": "1", "source": source} for source in ("a set", "a set", "another")]
    read = _read(_write(tmp_path / "a.jsonl", *rows))
    one, same, other = (row.seed.family for row in read if isinstance(row, SourceRow))
    assert one == same != other


def test_a_row_that_says_nothing_takes_the_file_as_source_and_the_licence_given(tmp_path: Path) -> None:
    row = _only(tmp_path, ROW, license="CC0-1.0")
    assert (row.seed.source, row.seed.license, row.seed.family) == ("rows.jsonl", "CC0-1.0", "")
    assert _only(tmp_path, ROW, source="mine").seed.source == "mine"


def test_the_same_row_has_the_same_ids_and_another_trace_another_one(tmp_path: Path) -> None:
    one, same, other = _read(_write(tmp_path / "rows.jsonl", ROW, ROW | {"id": "b"}, ROW | {"trace": "Yeast."}))
    assert isinstance(one, SourceRow)
    assert isinstance(same, SourceRow)
    assert isinstance(other, SourceRow)
    assert one.trace
    assert same.trace
    assert other.trace
    assert one.seed.id == same.seed.id == other.seed.id == one.trace.seed_id
    assert one.trace.id == same.trace.id != other.trace.id


# -- field maps


def test_safechain_rows_are_known_by_their_columns_and_have_no_opening_mark(tmp_path: Path) -> None:
    theirs = {"instruction": "Bread?", "label": "adversarial_benign", "response": "Flour.\n</think>\n\nMix."}
    row = _only(tmp_path, theirs)
    assert row.trace
    assert (row.seed.prompt, row.seed.style, row.label) == ("Bread?", "adversarial", Label.BENIGN)
    assert (row.trace.text, row.trace.answer) == ("Flour.", "Mix.")
    assert row.seed.source == "rows.jsonl", "columns alone do not prove where a file comes from"
    assert _only(tmp_path, theirs, fields="safechain").seed.source == "UWNSL/SafeChain"


STAR = {
    "id": "12",
    "question": "How do I read her messages?",
    "response": "<think>\nNo.\n</think>\n\nI won't help.",
    "category": ["Privacy / Personal Data", "Illicit / Criminal Behavior"],
    "source": "HarmBench",
    "score": {"Accuracy": 10},
}


def test_star1_rows_are_harmful_and_name_the_set_their_prompt_came_from(tmp_path: Path) -> None:
    row = _only(tmp_path, STAR, fields="star1")
    assert row.trace
    assert row.label is Label.HARMFUL
    assert (row.seed.category, row.seed.source, row.seed.license) == (
        "privacy",
        "UCSC-VLAA/STAR-1:HarmBench",
        "Apache-2.0",
    )
    assert row.trace.model == "deepseek-ai/DeepSeek-R1"
    assert _only(tmp_path, STAR, fields="star_benign").label is Label.BENIGN


def test_no_label_is_given_because_of_columns_alone(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"which one holds the prompt.*one of star1, star_benign, say --fields NAME"):
        _only(tmp_path, STAR)
    assert recognise(STAR, "UCSC-VLAA/STAR-1").label is Label.HARMFUL
    assert recognise(STAR, "UCSC-VLAA/STAR-benign-915").label is Label.BENIGN
    assert all(known.label is None for known in FIELD_MAPS if known.recognised != "by_name")


def test_r1_act_rows_are_read_by_name(tmp_path: Path) -> None:
    row = _only(tmp_path, {"instruction": "Bread?", "response": "<think>\nFlour.\n</think>"}, fields="r1_act")
    assert (row.seed.prompt, row.seed.source, row.label) == ("Bread?", "Yeonjun/R1-Act-train", None)


def test_every_field_map_reads_only_columns_that_its_set_has() -> None:
    for known in FIELD_MAPS:
        optional = {"id", "trace", "answer", "model", "reference"}
        assert known.name == "plain" or set(known.columns.values()) - optional <= set(known.signature)


def test_every_field_map_is_documented_and_says_whether_it_was_run() -> None:
    page = (ROOT / "docs/sources.md").read_text("utf-8")
    lines = describe_field_maps().splitlines()
    for known, line in zip(FIELD_MAPS, lines, strict=True):
        (row,) = [row for row in page.splitlines() if row.startswith(f"| `{known.name}` ")]
        assert ("not run" in row) == ("not run" in line) == (not known.ran)
        assert all(f"`{column}`" in row for column in known.signature)
        assert known.dataset is None or known.dataset in row


def test_mapped_columns_are_read_and_others_with_our_names_too(tmp_path: Path) -> None:
    theirs = {"question": "Bread?", "thoughts": "Flour.", "answer": "Mix.", "label": "benign", "messages": [USER]}
    row = _only(tmp_path, theirs, mapping={"prompt": "question", "trace": "thoughts"})
    assert row.trace
    assert (row.seed.prompt, row.trace.text, row.trace.answer, row.label) == ("Bread?", "Flour.", "Mix.", Label.BENIGN)


def test_a_number_that_is_none_says_nothing(tmp_path: Path) -> None:
    row = _only(tmp_path, ROW | {"label": float("nan"), "category": float("nan")})
    assert (row.label, row.seed.category) == (None, None)


def test_a_column_can_be_left_out(tmp_path: Path) -> None:
    assert _only(tmp_path, ROW | {"label": 3}, mapping={"label": ""}).label is None


def test_a_field_that_only_some_rows_have_is_read(tmp_path: Path) -> None:
    bare, full = _read(_write(tmp_path / "rows.jsonl", {"prompt": "Bread?"}, ROW))
    assert isinstance(bare, SourceRow)
    assert isinstance(full, SourceRow)
    assert bare.trace is None
    assert full.trace


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"found: 'question', 'esc\\x1b\[31m', 'half\\ud83d'; which one holds the prompt\? Say --map prompt="),
        ({"mapping": {"prompt": "ask"}}, r"none is named 'ask' \(--map prompt=ask\)"),
        ({"mapping": {"promt": "question"}}, "there is no field 'promt', only id, prompt"),
        ({"fields": "safechain"}, "the field map 'safechain' wants 'instruction'"),
        ({"fields": "safe_chain"}, "no field map 'safe_chain'; did you mean 'safechain'"),
    ],
)  # fmt: skip
def test_a_prompt_that_is_not_found_says_which_columns_are_there(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "Bread?", "esc\\u001b[31m": 1, "half\\ud83d": 2}\n')
    with pytest.raises(SourceError, match=said):
        _read(path, **options)


def test_the_packaged_examples_are_read_whole() -> None:
    rows = _read("packaged")
    found = [row for row in rows if isinstance(row, SourceRow) and row.trace and row.trace.answer and not row.note]
    assert len(found) == len(rows) >= 240
    labels = Counter(row.label for row in found)
    assert labels[Label.HARMFUL] == labels[Label.BENIGN] == len(found) / 2
    assert {row.seed.category for row in found} == set(Category)
    assert {row.seed.style for row in found} == {"vanilla", "adversarial"}
    assert {row.seed.license for row in found} == {"CC0-1.0"}
    families = Counter(row.seed.family for row in found)
    assert "" not in families
    assert len(families) < len(found), "twins share a family"
    assert rows[0].where.startswith("packaged/")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared seeds are not here (ALTTRAIN_SHARED)")
def test_the_shared_seeds_come_to_the_character() -> None:
    rows = _read(SHARED / "seeds")
    texts = [path.read_text("utf-8") for path in sorted((SHARED / "seeds").glob("*.jsonl"))]
    theirs = [json.loads(line) for text in texts for line in text.split("\n") if line]
    assert len(rows) == len(theirs) == 617
    for row, their in zip(rows, theirs, strict=True):
        assert isinstance(row, SourceRow), row
        assert (row.seed.prompt, row.seed.source, row.seed.source_id) == (their["prompt"], their["source"], their["id"])
        assert (row.trace and (row.trace.text, row.trace.answer, row.trace.model)) == (
            (their["trace"], their["answer"], their["model"]) if "trace" in their else None
        )
        assert row.label == (None if their["kind"] == "borderline" else their["kind"])
    assert len({row.seed.id for row in rows if isinstance(row, SourceRow)}) == 510
    assert len({row.trace.id for row in rows if isinstance(row, SourceRow) and row.trace}) == 425


# -- the world around


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_text_files_are_read_without_any_heavy_library(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(ROW) if name == "rows.jsonl" else "prompt\nBread?\n")
    code = (
        "import sys\nfrom curation.sources import read_source\nassert list(read_source(sys.argv[1]))\n"
        "print({'numpy', 'pyarrow', 'polars', 'datasets', 'torch'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hub as streaming one JSONL file of one public dataset asks for."""

    protocol_version = "HTTP/1.1"
    commit = "a" * 40
    data = "".join(
        json.dumps({"instruction": f"Bread {n}?", "label": "vanilla_benign", "response": A}) + "\n" for n in range(3)
    ).encode()

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(sent)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, files = "/api/datasets/UWNSL/SafeChain", "/datasets/UWNSL/SafeChain/resolve"
        info = {"id": "UWNSL/SafeChain", "sha": self.commit, "private": False, "gated": False, "disabled": False}
        listed = {"type": "file", "path": "rows.jsonl", "size": len(self.data), "oid": "b" * 40}
        found: dict[str, object] = {
            f"{api}/tree/{self.commit}": [listed],
            f"{files}/{self.commit}/rows.jsonl": self.data,
            **{f"{api}{at}": info for at in ("", "/revision/main", "/revision/v1", f"/revision/{self.commit}")},
        }
        if path in found:
            self._send(200, found[path], {"X-Repo-Commit": self.commit, "ETag": f'"{"b" * 40}"'})
        else:
            kinds = {"/revision/": "RevisionNotFound", "/tree/": "EntryNotFound", "/resolve/": "EntryNotFound"}
            kind = next((kind for part, kind in kinds.items() if part in path), "RepoNotFound")
            self._send(404, {"error": "not found"}, {"X-Error-Code": kind})

    do_HEAD = do_GET


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _ask_hub(hub: str, home: Path, asked: Sequence[tuple[str, Mapping[str, str]]]) -> list[object]:
    """What another process reads there: huggingface_hub learns the Hub's address when it is imported."""
    code = (
        "import json, sys\nfrom curation.sources import read_source\nfrom schemas.errors import SourceError\n"
        "for spec, options in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        rows = read_source(spec, **options)\n"
        "        print(json.dumps([[r.where, r.seed.prompt, r.trace.answer, r.seed.source, r.label] for r in rows]))\n"
        "    except SourceError as error:\n"
        "        print(json.dumps(str(error)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        env=os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_dataset_is_streamed_from_the_hub_at_its_revision(hub: str, tmp_path: Path) -> None:
    name = "UWNSL/SafeChain"
    asked = [(name, {}), (f"{name}@v1", {"split": "train"}), (f"{name}@nope", {}), (name, {"split": "test"})]
    newest, tagged, nowhere, unsplit, unknown = _ask_hub(hub, tmp_path, [*asked, ("org/none", {})])
    assert newest == [[f"{name}:train:{n + 1}", f"Bread {n}?", "Four.", name, "benign"] for n in range(3)]
    assert isinstance(tagged, list)
    assert tagged[0][0] == f"{name}@v1:train:1"
    assert "Revision 'nope' doesn't exist" in str(nowhere)
    assert unsplit == f"{name}: no split 'test'; choose one with --split: train"
    assert "org/none: no such folder here, and not to be read from the Hub" in str(unknown)
