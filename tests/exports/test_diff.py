from pathlib import Path

import pytest

from curation.review.revise import revise
from exports.diff import Mix, ReleaseDiff, diff
from exports.layout import locate
from schemas.errors import ReleaseError
from schemas.example import Draft
from schemas.release import Approved
from tests.exports.release_folder import SETTINGS, write
from tests.release_rows import approve, few, many


def compare(tmp_path: Path, old: list[Approved], new: list[Approved], **given: object) -> ReleaseDiff:
    write(tmp_path / "v1", old)
    write(tmp_path / "v2", new, **given)
    return diff(tmp_path / "v1", tmp_path / "v2")


def edited(one: Approved, **texts: str) -> Approved:
    """The next revision, as a reviewer's edit makes it."""
    draft = revise(one.draft, texts, "person")
    assert isinstance(draft, Draft)
    return one.model_copy(update={"draft": draft})


def test_a_release_does_not_differ_from_its_copy(tmp_path: Path) -> None:
    told = compare(tmp_path, few(), few()[::-1])
    assert [*told.added, *told.removed, *told.edited, *told.moved] == []
    assert (told.rows_before, told.rows_after, told.unchanged) == (8, 8, 8)
    assert all(mix.before == mix.after for mix in told.mixes)


def test_rows_added_and_removed_are_told_by_id_label_and_prompt(tmp_path: Path) -> None:
    rows = few()
    told = compare(tmp_path, rows[:-2], rows[1:])
    assert [row.id for row in told.removed] == [rows[0].id]
    assert told.removed[0].instruction == rows[0].seed.prompt
    assert {(row.id, row.label) for row in told.added} == {(one.id, one.label) for one in rows[-2:]}
    assert told.unchanged == 5


def test_another_revision_of_a_draft_is_an_edit_and_tells_its_stages(tmp_path: Path) -> None:
    first, *rest = few()
    after = edited(first, reasoning="I go no further.", answer="I won't. Talk to her instead.")
    told = compare(tmp_path, [first, *rest], [after, *rest])
    (edit,) = told.edited
    assert (edit.was, edit.id) == (first.id, after.id)
    assert (edit.stages, edit.columns) == (("reasoning", "answer"), ())
    assert not told.added
    assert not told.removed
    assert told.unchanged == 7


def test_a_new_draft_for_a_prompt_is_an_edit_too(tmp_path: Path) -> None:
    first, *rest = few()
    again = approve(
        first.seed.prompt,
        branch="harmful",
        trace="The user would like to snoop on a flatmate. I decline.",
        answer="No.",
        reason="it is her own business whom she writes to",
        category="privacy",
    )
    assert again.draft.id != first.draft.id
    (edit,) = compare(tmp_path, [first, *rest], [again, *rest]).edited
    assert (edit.was, edit.id) == (first.id, again.id)
    assert {"understanding", "assessment"} <= set(edit.stages)


def test_a_prompt_that_was_relabelled_tells_both_labels(tmp_path: Path) -> None:
    first, *rest = few()
    benign = approve(
        first.seed.prompt,
        branch="benign",
        trace="The user asks about messages. It may be a game they play. So I explain.",
        answer="Ask her.",
        reason="they play a game together",
    )
    (edit,) = compare(tmp_path, [first, *rest], [benign, *rest]).edited
    assert (edit.label_was, edit.label) == ("harmful", "benign")
    assert "label" in edit.columns


def test_a_row_of_which_something_else_is_told_now_is_an_edit_of_that(tmp_path: Path) -> None:
    first, *rest = few()
    told = {"license": "CC-BY-4.0", "family": "f0"}
    after = first.model_copy(update={"seed": first.seed.model_copy(update=told)})
    (edit,) = compare(tmp_path, [first, *rest], [after, *rest]).edited
    assert (edit.stages, edit.columns) == ((), ("license", "family"))


def test_mixes_are_told_before_and_after(tmp_path: Path) -> None:
    told = compare(tmp_path, many(6, 2), many(4, 4))
    by_column = {mix.column: mix for mix in told.mixes}
    assert by_column["label"] == Mix(
        column="label", before={"benign": 2, "harmful": 6}, after={"benign": 4, "harmful": 4}
    )
    assert by_column["source"].after == {"tests/arithmetic": 4, "tests/mild:set": 4}


def test_a_row_that_went_to_the_other_split_is_told(tmp_path: Path) -> None:
    told = compare(tmp_path, many(20, 0), many(20, 0), settings=SETTINGS.model_copy(update={"test_percent": 0}))
    test_rows = 4
    assert len(told.moved) == test_rows
    assert told.unchanged == 20


def test_what_is_no_release_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "v1", few())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match="no rows of a config"):
        diff(tmp_path / "v1", tmp_path / "empty")
    with pytest.raises(ReleaseError, match="no such folder"):
        diff(tmp_path / "none", tmp_path / "v1")
    other = tmp_path / "other"
    write(other, few())
    (path,) = locate(other).files["default"]["train"]
    provenance = locate(other).files["provenance"]["train"][0]
    path.write_bytes(provenance.read_bytes())
    with pytest.raises(ReleaseError, match="curate verify"):
        diff(tmp_path / "v1", other)
