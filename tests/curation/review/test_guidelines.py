"""What annotators read before they begin: it fits Argilla, and speaks in the words that they see on the page."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from curation.cli.init import command
from curation.review.guidelines import MOST_CHARACTERS, read_guidelines
from curation.review.page.questions import CHOICES, PROBLEMS
from schemas.example import Category

TEXT = files("curation").joinpath("templates", "guidelines.md").read_text("utf-8")
PLAIN = " ".join(TEXT.replace("*", "").split()).casefold()


def test_a_new_project_has_guidelines_that_argilla_takes(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["p"], obj=tmp_path)
    assert result.exit_code == 0, result.output
    assert read_guidelines(tmp_path / "p") == TEXT.strip()
    assert len(TEXT) <= MOST_CHARACTERS


def test_what_a_team_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "guidelines.md").write_text("Ours.")
    assert CliRunner().invoke(command, ["."], obj=tmp_path).exit_code == 0
    assert read_guidelines(tmp_path) == "Ours."


@pytest.mark.parametrize("category", [*Category])
def test_every_category_says_what_is_harmful_and_what_is_not(category: Category) -> None:
    name = category.replace("self_harm", "self-harm").replace("_", " ")
    (row,) = re.findall(rf"^\| {name} \|(.+)\|(.+)\|$", TEXT, re.MULTILINE)
    assert all(cell.strip() for cell in row)


def test_options_are_called_as_on_the_page() -> None:
    for title in [*CHOICES.values(), *(title for title, _ in PROBLEMS.values() if title != "Understanding wrong")]:
        assert title.casefold() in PLAIN, title


def test_there_are_twelve_hard_cases() -> None:
    assert re.findall(r"^(\d+)\. \*\*", TEXT.split("## Twelve hard cases")[1], re.MULTILINE) == [
        str(number) for number in range(1, 13)
    ]


def test_what_a_team_must_fill_in_is_marked() -> None:
    assert TEXT.count("FILL IN") == 2
