"""An ablation: runs that differ in the structure of their rows and the seed alone, whatever stops in between."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from curation.approved import read_approved, read_eligible
from curation.cli import curate
from curation.cli.train.ablation import rows_in
from curation.cli.train.given import Given
from curation.derive import common, derive
from curation.ledger import Ledger
from curation.structures import load_pools, load_structure
from exports.dataset import rows_of
from schemas.ablation import Ablation
from schemas.errors import TrainError, UsageError
from schemas.release import SftRow
from schemas.training import RunConfig, RunRecord
from tests.release_rows import few
from tests.review_project import benign_rows, harmful_rows, make_drafts
from tests.train.tiny import RECIPE, save_model
from train.ablation import TABLE, carry_out, gather, lay_out, lines_of, prove_all, require_same
from train.loading import load_tokenizer
from train.record import CARD, MODEL, ROWS, read_config, read_record, read_rows
from train.sft import run
from train.templates import encode_rows, form_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]

STRUCTURES = ("alttrain", "no_ha")


def quiet(line: str) -> None:
    pass


def train(folder: Path) -> None:
    run(folder, say=quiet)


def record_of(folder: Path) -> RunRecord:
    record = read_record(folder)
    assert record is not None
    return record


@pytest.fixture(scope="module")
def rows() -> dict[str, list[SftRow]]:
    """Hand-made rows in two structures, each under the id that it has in alttrain."""
    approved = few()
    derived = [derive(approved, load_structure(name), load_pools()) for name in STRUCTURES]
    ids = [one.id for one in approved]
    return {
        name: [row.model_copy(update={"id": key}) for key, row in zip(ids, rows_of(held), strict=True)]
        for name, held in zip(STRUCTURES, common(derived), strict=True)
    }


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return RunConfig(
        name="ablation",
        preset="tiny",
        model="tiny",
        model_path=str(save_model(tmp_path_factory.mktemp("models") / "tiny")),
        release="v1",
        release_sha256="0" * 64,
        structure="alttrain",
        recipe=RECIPE.model_copy(update={"batch_rows": 1, "epochs": 1}),  # a row a step: its length tells which it was
        system=("Think.", "You are a careful colleague who thinks first."),
        threads=1,
        checkpoints=1,
        sample_prompts=0,
    )


@pytest.fixture(scope="module")
def stopped(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig, rows: dict[str, list[SftRow]]
) -> tuple[Path, Ablation, str]:
    """An ablation whose first run failed: its folder, what was kept then, and what was said."""
    folder = tmp_path_factory.mktemp("runs") / "ablation"
    folder.mkdir()
    tests: dict[str, list[SftRow]] = {name: [] for name in rows}
    lay_out(folder, prove_all(config, rows, tests, (0,), ()), config, rows, tests)

    def fail_once(one: Path) -> None:
        if one.name == "alttrain-0":
            raise TrainError("the disk is full")
        train(one)

    with pytest.raises(TrainError) as raised:
        carry_out(folder, fail_once, quiet)
    return folder, gather(folder), str(raised.value)


@pytest.fixture(scope="module")
def resumed(stopped: tuple[Path, Ablation, str]) -> tuple[Path, Ablation]:
    """The same, gone on with: what is finished is not trained again."""
    folder, _, _ = stopped
    before = (folder / "no_ha-0/record.json").stat().st_mtime_ns
    plan = carry_out(folder, train, quiet)
    assert (folder / "no_ha-0/record.json").stat().st_mtime_ns == before
    return folder, plan


def test_a_run_that_fails_loses_no_other(stopped: tuple[Path, Ablation, str]) -> None:
    _, kept, said = stopped
    assert [(one.structure, one.seed) for one in kept.runs] == [("no_ha", 0)]
    assert "1 of 2 runs failed (alttrain-0: the disk is full)" in said
    assert "--resume" in said
    assert "not finished" in lines_of(kept)[2]


def test_runs_of_one_seed_see_the_same_prompts_in_one_order(
    resumed: tuple[Path, Ablation], config: RunConfig, rows: dict[str, list[SftRow]]
) -> None:
    folder, _ = resumed
    tokenizer = load_tokenizer(config)
    form = form_of(tokenizer, config.model)
    seen = {}
    for name in STRUCTURES:
        encoded = encode_rows(tokenizer, rows[name], form, config.system)
        rows_by_length = {len(one.input_ids): one.id for one in encoded}
        assert len(rows_by_length) == len(encoded), "a row's length no longer tells which it is"
        points = map(json.loads, (folder / f"{name}-0" / "log.jsonl").read_text().splitlines())
        tokens = [0, *(point["tokens"] for point in points)]
        seen[name] = [rows_by_length[after - before] for before, after in pairwise(tokens)]
    first, second = seen.values()
    assert first == second
    assert sorted(first) == sorted(row.id for row in rows["alttrain"])
    assert first != [row.id for row in rows["alttrain"]], "not even shuffled"


def test_what_came_of_the_runs_is_counted_from_their_records(resumed: tuple[Path, Ablation]) -> None:
    folder, plan = resumed
    assert Ablation.model_validate_json((folder / "ablation.json").read_text()) == plan
    records = {one.folder: record_of(folder / one.folder) for one in plan.runs}
    assert {record.steps for record in records.values()} == {plan.steps} == {plan.rows}
    assert len({record.proof.masked_tokens for record in records.values()}) == 1
    for one in plan.runs:
        proof = records[one.folder].proof
        assert one.completion_tokens == proof.trained_tokens == proof.tokens - proof.masked_tokens
        assert one.completion_tokens_a_row == one.completion_tokens / plan.rows
    page = (folder / TABLE).read_text()
    assert "Not evaluated yet" in page
    table = [line for line in page.splitlines() if line.startswith("|")][:4]
    assert len({len(line) for line in table}) == 1
    assert f"{plan.runs[0].completion_tokens:,}" in table[2]


def test_a_run_on_derived_rows_says_so_in_its_record_and_on_its_card(resumed: tuple[Path, Ablation]) -> None:
    folder, _ = resumed
    assert record_of(folder / "no_ha-0").config.derived_from == "alttrain"
    assert "nobody reviewed its rows in this form" in (folder / "no_ha-0" / MODEL / CARD).read_text()
    assert record_of(folder / "alttrain-0").config.derived_from is None
    assert "nobody reviewed" not in (folder / "alttrain-0" / MODEL / CARD).read_text()
    assert {row.structure for row in read_rows(folder / "no_ha-0" / ROWS)} == {"no_ha"}


def test_an_ablation_goes_on_with_the_options_that_it_was_begun_with(stopped: tuple[Path, Ablation, str]) -> None:
    folder, _, _ = stopped
    config = read_config(folder / "alttrain-0")
    require_same(folder, config, STRUCTURES, range(1))
    other = config.model_copy(update={"recipe": config.recipe.model_copy(update={"learning_rate": 1e-4})})
    with pytest.raises(TrainError, match=r"other options \(learning_rate, seeds\)"):
        require_same(folder, other, STRUCTURES, range(2))


def test_a_row_that_one_structure_makes_too_long_is_refused_with_its_name(
    config: RunConfig, rows: dict[str, list[SftRow]]
) -> None:
    short = config.model_copy(update={"recipe": config.recipe.model_copy(update={"max_tokens": 16})})
    with pytest.raises(TrainError, match="structure alttrain: 8 of 8 rows are longer than max_tokens 16"):
        prove_all(short, rows, {name: [] for name in rows}, (0,), ())


@pytest.fixture
def released(tmp_path: Path) -> Given:
    """A release of what the project's ledger holds: nobody decided on it, and the release says so."""
    with Ledger.open(tmp_path / "curate.db", create=True) as ledger:
        make_drafts(ledger, [*harmful_rows(3), *benign_rows(3)])
        eligible = read_eligible(ledger, "alttrain", unreviewed=True)
        held = rows_of(read_approved(ledger, eligible, pseudonyms=True))
    tests = [next(row for row in held if row.label == label) for label in ("harmful", "benign")]
    rows = [row for row in held if row not in tests]
    return Given("v1", rows, tests, "0" * 64, frozenset(row.id for row in held))


def test_every_structure_has_the_same_rows_of_the_release_in_the_same_order(released: Given, tmp_path: Path) -> None:
    structures = ("alttrain", "no_ha", "shuffled_reason", "plain_answer_only")
    sides = rows_in(tmp_path, released, structures)
    trained = sides["train"].rows
    assert trained["alttrain"] == released.rows
    for name in structures:
        assert {row.structure for row in trained[name]} == {name}
        assert [(row.id, row.prompt) for row in trained[name]] == [(row.id, row.prompt) for row in released.rows]
    assert len({row.response for held in trained.values() for row in held}) == len(structures) * len(released.rows)


def test_a_row_that_one_structure_cannot_have_is_left_out_of_all_and_told(released: Given, tmp_path: Path) -> None:
    test = rows_in(tmp_path, released, ("alttrain", "shuffled_reason"))["test"]
    assert test.rows == {"alttrain": [], "shuffled_reason": []}  # the only one of its label borrows from nobody
    assert {(one.id, one.split, one.kind) for one in test.left_out} == {
        (row.id, "test", "no_donor") for row in released.tests
    }


def test_rows_are_not_derived_from_what_the_ledger_does_not_hold_as_approved(released: Given, tmp_path: Path) -> None:
    def refusal(given: Given, project: Path = tmp_path) -> str:
        with pytest.raises(TrainError) as raised:
            rows_in(project, given, STRUCTURES)
        return str(raised.value)

    first = released.rows[0]
    assert "6 of the release's 6 rows are not approved" in refusal(released._replace(undecided=frozenset()))
    rewritten = [first.model_copy(update={"response": "other"}), *released.rows[1:]]
    assert f"1 of the release's 6 rows are not approved in {tmp_path / 'curate.db'}" in refusal(
        released._replace(rows=rewritten)
    )
    assert "is not there" in refusal(released, tmp_path / "elsewhere")
    own = rows_in(tmp_path / "elsewhere", released, ("alttrain",))  # nothing to derive, so no ledger to ask
    assert own["train"].rows == {"alttrain": released.rows}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--structures", "alttrain,no_ha", "--packing"), "--packing"),
        (("--seeds", "3", "--estimate"), "--estimate"),
        (("--structures", "no_ha", "--push-to", "org/model"), "--push-to"),
        (("--seeds", "3", "--seed", "1"), "leave out --seed"),
    ],
)
def test_options_that_make_no_sense_with_several_runs_are_refused(words: Sequence[str], said: str) -> None:
    done = CliRunner().invoke(curate, ["train", "v1", "--preset", "smollm2-cpu", *words])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
