"""A project with checked drafts, and scripted annotators who answer in Argilla as the page would.

project = ReviewProject(tmp_path, argilla_server, harmful=30, benign=30)
project.curate("review", "push")
project.answer("a1", lambda record: Answer({"decision": "approve"}))
project.curate("review", "pull")
"""

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from pydantic import BaseModel

from curation.checks import CheckedRow, check
from curation.cli import curate
from curation.leases import start_run
from curation.ledger import Ledger, NewRow
from curation.review.machine import Answer, answer_queue, datasets_of, log_in
from curation.review.page.questions import BOX, prefilled
from curation.review.records import find_records
from curation.review.shown import show
from curation.rewrite import rewrite
from curation.structures import load_pools, load_structure
from schemas.call import Request
from schemas.example import Draft, Label, Seed, Trace, seed_id, trace_id
from tests.review_server import ReviewServer

KEY_ENV = "ARGILLA_KEY_OF_A_TEST"
CATEGORIES = ("privacy", "harassment", "misinformation", "illicit")
THINGS = ("bike", "coat", "phone", "book", "lamp", "drill", "tent", "guitar")
PEOPLE = ("neighbour", "flatmate", "cousin", "colleague", "teacher")

_numbers = itertools.count()


@dataclass
class ReviewProject:
    """A project folder whose Argilla is the tests' shared one, in a workspace of its own; or the project's own one,
    which `curate review serve` starts, where `server` is None."""

    folder: Path
    server: ReviewServer | None
    harmful: int = 4
    benign: int = 4
    settings: str = ""
    passwords: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace = f"project-{os.getpid()}-{next(_numbers)}"
        self.run("init", ".")
        where = ""
        if self.server is not None:
            os.environ[KEY_ENV] = self.server.api_key
            where = f'api_url = "{self.server.url}"\napi_key_env = "{KEY_ENV}"\n'
        (self.folder / "curate.toml").write_text(f'[review]\nworkspace = "{self.workspace}"\n{where}{self.settings}')
        (self.folder / "guidelines.md").write_text("Read the prompt, then the draft. Decide.")
        with self.ledger() as ledger:
            make_drafts(ledger, [*harmful_rows(self.harmful), *benign_rows(self.benign)])

    @property
    def url(self) -> str:
        return (
            self.server.url
            if self.server
            else str(json.loads((self.folder / "argilla/server.json").read_text())["url"])
        )

    def ledger(self) -> Ledger:
        return Ledger.open(self.folder / "curate.db")

    def curate(self, *words: str) -> Result:
        """The command, in this process: importing Argilla's SDK takes seconds."""
        return CliRunner().invoke(curate, ["-C", str(self.folder), *words], catch_exceptions=True)

    def run(self, *words: str) -> str:
        """The same, which must go well; gives what it says on standard output."""
        done = self.curate(*words)
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.stdout

    def add_annotators(self, *names: str, machine: bool = True, options: Sequence[str] = ()) -> None:
        """Names are made unique on the server that tests share: `self.name("a1")` tells how."""
        kind = ["--machine"] if machine else []
        made = self.run("review", "annotators", "add", *map(self.name, names), *kind, *options, "--json")
        self.passwords |= {account["name"]: account["password"] for account in json.loads(made)}

    def name(self, short: str) -> str:
        return f"{short}-{self.workspace}"

    def answer(self, short: str, say: Callable[[dict[str, Any]], Answer], queue: str = "alttrain-drafts") -> int:
        """The annotator answers everything that the queue shows them; returns how many records that was."""
        name = self.name(short)
        with log_in(self.url, name, self.passwords[name]) as page:
            found = datasets_of(page)
            return answer_queue(page, found[queue], say) if queue in found else 0

    def boxes(self, record: str) -> dict[str, str]:
        """What stands in the text boxes of a record beforehand, by the name of the question."""
        with self.ledger() as ledger:
            (shown,) = show(ledger, [find_records(ledger, [record])[record]])
        return {BOX + stage: text for stage, text in prefilled(shown).items()}

    def query(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        with self.ledger() as ledger:
            return ledger.query(sql, parameters)


def harmful_rows(count: int) -> list[NewRow]:
    rows = []
    for number in range(count):
        thing, person = THINGS[number % len(THINGS)], PEOPLE[number // len(THINGS) % len(PEOPLE)]
        prompt = f"How can I take the {thing} of my {person} number {number} without asking?"
        text = (
            f"The user wants to take the {thing} of a {person} without asking. That is taking what is not theirs. "
            "I should say no and offer a better way."
        )
        answer = f"I can't help with taking the {thing} without asking. I can help you ask for it."
        rows.append(_row(prompt, text, answer, Label.HARMFUL, CATEGORIES[number % len(CATEGORIES)]))
    return rows


def benign_rows(count: int) -> list[NewRow]:
    rows = []
    for number in range(count):
        thing = THINGS[number % len(THINGS)]
        prompt = f"How can I keep {number + 2} {thing}s dry for a week?"
        text = (
            f"The user wants to keep {number + 2} {thing}s dry for a week. A dry room with some air is best. "
            "A cover helps too, as long as air gets in."
        )
        answer = f"Put the {number + 2} {thing}s in a dry room and cover them loosely."
        rows.append(_row(prompt, text, answer, Label.BENIGN, None))
    return rows


def _row(prompt: str, text: str, answer: str, label: Label, category: str | None) -> NewRow:
    seed = Seed(
        id=seed_id("test", prompt), family=seed_id("family", prompt), prompt=prompt, source="test", category=category
    )
    trace = Trace(id=trace_id(seed.id, text, answer, None), seed_id=seed.id, text=text, answer=answer)
    return NewRow(seed, trace, label)


def make_drafts(ledger: Ledger, rows: Sequence[NewRow]) -> None:
    """What `generate` makes of these rows with a model that always agrees; every draft passes its checks."""
    structure, pools = load_structure("alttrain"), load_pools()
    ledger.add(rows)
    run = start_run(ledger, "generate", structure.name)
    asked = itertools.count()

    async def ask(request: Request) -> BaseModel:
        assert request.reply is not None
        harmful = "take" in request.messages[-1].content
        reason = (
            f"it takes thing number {next(asked)} from a person who did not agree"
            if harmful
            else f"nobody is hurt by keeping thing number {next(asked)} dry"
        )
        given = {"verdict": "harmful" if harmful else "benign", "reason": reason, "understanding": "The user asks."}
        return request.reply.model_validate({name: given[name] for name in request.reply.model_fields})

    for row in rows:
        assert row.trace is not None
        (work,) = ledger.load([row.trace.id], structure.name)
        made = asyncio.run(rewrite(work, structure, pools, ask, lambda branch: None, assume_label=True, small=False))
        assert isinstance(made, Draft), made
        results = check(
            CheckedRow(draft=made, seed=work.seed, trace=work.trace, label=work.label, structure=structure, pools=pools)
        )
        assert not any(result.blocking for result in results), results
        ledger.save_draft(run, made, results, "test", {})
