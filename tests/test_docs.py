"""Commands and links in the docs are real: every `curate` line parses, and the README's own round is run."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from curation.cli import LazyGroup, curate
from curation.review.machine import Answer, answer_queue, datasets_of, log_in
from tests.fake_endpoint import FakeEndpoint
from tests.hub_server import serving
from tests.project import ROWS_FILE, Project, agree

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every `curate …` in an indented or fenced block, comments, pipes and redirections left out."""
    for line in text.splitlines():
        for part in re.split(r"&&|\||\s>\s", re.sub(r"\s#.*", "", line.strip().removeprefix("$ "))):
            words = part.strip()
            if re.match(r"curate( -C \S+)? [a-z]", words) and "…" not in words:
                yield shlex.split(words)[1:]


def all_commands(group: LazyGroup = curate, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command and what is in a group, by the words that call it."""
    for name in group.table:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, LazyGroup):
            yield from all_commands(command, f"{path}{name} ")


def help_examples() -> Iterator[tuple[str, list[str]]]:
    for name, command in all_commands():
        block = (command.help or "").partition("Examples:")[2]
        for line in block.splitlines():
            for words in commands(re.split(r"\s{2,}", line.strip())[0]):
                yield name, words


DOCUMENTED = [(page.name, words) for page in PAGES for words in commands(page.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("place", "words"),
    [*DOCUMENTED, *help_examples()],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_every_documented_command_is_one_that_curate_takes(place: str, words: list[str]) -> None:
    command: click.Command = curate
    context = command.make_context("curate", list(words))
    while isinstance(command, click.Group):
        left = [*context._protected_args, *context.args]
        if not left and command.invoke_without_command:
            return
        name, found, rest = command.resolve_command(context, left)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)


def test_every_command_has_worked_examples_in_its_help() -> None:
    assert {name for name, _ in help_examples()} == {name for name, _ in all_commands()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.usefixtures("argilla_python")
@pytest.mark.timeout(300)
def test_the_round_of_the_readme_works_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = (ROOT / "README.md").read_text("utf-8").partition("## Use it")[2].partition("\n## ")[0]
    round_trip = [words for words in commands(block) if words[0] != "init"]
    making = ["add", "generate", "generate", "status", "show", "failures"]
    reviewing = ["serve", "annotators", "push", "pull", "status"]
    assert [words[0] for words in round_trip] == [*making, *["review"] * len(reviewing), "export", "verify", "push"]
    assert [words[1] for words in round_trip if words[0] == "review"] == reviewing
    with FakeEndpoint(agree) as fake, serving(monkeypatch):
        project = Project(tmp_path, fake.url, prices=True)
        (tmp_path / "my_traces.jsonl").write_bytes(ROWS_FILE.read_bytes())
        try:
            for words in round_trip:
                done = project.run(*("ours/name" if word == "org/name" else word for word in words))
                assert done.returncode == 0, done.stderr
                assert done.stdout
                if words[:2] == ["review", "annotators"]:
                    passwords = dict(re.findall(r"^(\w+) +password: (\S+)", done.stdout, re.MULTILINE))
                if words[:2] == ["review", "push"]:
                    answer_everything(tmp_path, passwords)
        finally:
            project.run("review", "stop")
        assert project.counts()["drafts"] == 8
        assert project.query("SELECT DISTINCT kind FROM decisions") == [("person",)]


def answer_everything(project: Path, passwords: dict[str, str]) -> None:
    """What people do in the page between the README's push and pull."""
    url = json.loads((project / "argilla/server.json").read_text())["url"]
    assert passwords
    for name, password in passwords.items():
        with log_in(url, name, password) as page:
            for dataset in datasets_of(page).values():
                answer_queue(page, dataset, lambda record: Answer({"decision": "approve", "answer_right": "yes"}))
