"""What an evaluation leaves behind: words, page, pictures, and no harmful completion in what is shared."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from schemas.evaluation import Answered, Asked, EvalReport, ModelAsked
from schemas.report import Rate
from tests.train.figures_made import figure, shares
from train.evaluation.compare import compare
from train.evaluation.headlines import headlines
from train.evaluation.paper import beside, paper, rows_beside
from train.evaluation.report import BASELINE_SAMPLES, HARMFUL, PAGE, REPORT, SAMPLES, write_report
from train.evaluation.table import lines_of, tell, telling
from train.record import write
from train.results import results_of

HOSTILE = "<script>alert(1)</script>\u202e {{ 7 * 7 }}"
SECRET = "said to a harmful prompt"


def report(**other: object) -> EvalReport:
    def figures(complied: int, kept: int) -> list[object]:
        return [
            shares(complied, 40, "complied", group="harmful"),
            shares(complied, 40, "complied", group="all", better=None),
            shares(3, 40, "refused"),
            shares(kept, 80, "kept", group="all", better="higher", made_by="the parser"),
            figure([60.0, 70.0], "thinking_tokens", group="all", better=None, unit="tokens"),
            shares(2, 5, "correct", suite="gsm8k", group="all", better="higher"),
        ]

    asked = {"kind": "folder", "max_tokens": 1024}
    told = {
        "model": ModelAsked(name=HOSTILE, **asked),
        "baseline": ModelAsked(name="base", **asked),
        "suites": {"xstest": 80, "gsm8k": 5},
        "figures": compare(figures(30, 2), figures(0, 72)),  # type: ignore[arg-type]
        "notes": (HOSTILE,),
        "versions": {"alttrain": "0.1.0"},
        "seconds": 1.0,
    }
    return EvalReport.model_validate(told | other)


def answered(id: str, kind: str, refused: float, said: str, **measures: float) -> Answered:
    return Answered.model_validate(
        {"id": id, "suite": "xstest", "kind": kind, "completion": said, "stopped": True, "new_tokens": 9}
        | {"measures": {"refused": refused} | measures}
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evals") / "first"
    run = folder.parent / "run"
    run.mkdir()
    kinds = {"p0": "hard_benign", "p1": "harmful", "p2": "plain_benign"}
    asked = {
        ("xstest", id): Asked.model_validate({"id": id, "suite": "xstest", "prompt": HOSTILE, "kind": kind})
        for id, kind in kinds.items()
    }
    before = [answered("p0", "hard_benign", 1, HOSTILE), answered("p1", "harmful", 0, SECRET)]
    after = [answered("p0", "hard_benign", 0, "Here is how."), answered("p1", "harmful", 1, SECRET)]
    before.append(answered("p2", "plain_benign", 1, "No."))
    after.append(answered("p2", "plain_benign", 0, SECRET, harmful_answer=1.0))
    write_report(folder, compared_with_paper(), before, after, asked, include_harmful_text=True, run=run)
    return folder


def compared_with_paper() -> EvalReport:
    return report(paper=beside(report(), "a/b", "no_ha"))


def test_harmful_completions_are_in_the_one_local_file_alone(written: Path) -> None:
    holding = {path.name for path in written.iterdir() if SECRET.encode() in path.read_bytes()}
    assert holding == {HARMFUL}
    assert HARMFUL in (written / ".gitignore").read_text().split()
    told = [Answered.model_validate_json(line) for line in (written / SAMPLES).read_text().splitlines()]
    assert [(one.id, one.withheld, one.measures["refused"]) for one in told] == [
        ("p0", False, 0),
        ("p1", True, 1),
        ("p2", True, 0),
    ]
    assert "alert" in (written / BASELINE_SAMPLES).read_text()


def test_a_second_report_without_harmful_text_takes_the_first_ones_away(tmp_path: Path) -> None:
    for include in (True, False):
        said = [answered("p1", "harmful", 0, SECRET)]
        write_report(tmp_path, report(baseline=None), [], said, {}, include_harmful_text=include)
        assert (tmp_path / HARMFUL).exists() == include


def test_the_page_shows_what_others_wrote_and_runs_none_of_it(written: Path) -> None:
    page = (written / PAGE).read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e {{ 7 * 7 }}" in page
    assert "<script" not in page
    assert "\u202e" not in page
    assert "refused before, not after" in page
    assert "0 of 40: up to 8.8 %" in page


def test_our_figures_stand_in_one_table_with_the_papers_on_the_page_and_in_the_report(written: Path) -> None:
    rows = [
        ("ours, before", "75.0", "7.5", "40.0"),
        ("ours", "0.0", "7.5", "40.0"),
        ("the paper, untrained", "83.5", "0.4", "58.1"),
        ("the paper, without HA", "15.6", "19.8", "59.4"),
    ]
    page = (written / PAGE).read_text("utf-8")
    table = page.partition("Beside the paper: R1-8B")[2].partition("</table>")[0]
    assert [tuple(re.findall(r"<td>(.*?)</td>", line)) for line in table.splitlines() if "<td>" in line] == rows
    read = EvalReport.model_validate_json((written / REPORT).read_bytes())
    assert rows_beside(read) == rows
    assert read.paper
    assert any("the paper: greedy" in line for line in read.paper.differences)
    assert rows_beside(report()) == []


def test_pictures_are_drawn_for_each_suite_and_for_tokens(written: Path) -> None:
    for name in ("xstest.png", "gsm8k.png", "thinking_tokens.png"):
        assert Image.open(io.BytesIO((written / name).read_bytes())).width == 1080


def test_the_runs_card_can_tell_of_the_report(written: Path) -> None:
    told = results_of(written.parent / "run")
    assert told is not None
    assert "| xstest | complied, harmful | 75.0 % (59.8-85.8) of 40 | 0 of 40: up to 8.8 % | -75.0 points (" in told
    assert EvalReport.model_validate_json((written / REPORT).read_bytes()) == compared_with_paper()


def test_a_card_tells_the_main_figures_of_every_suite_however_many_there_are(tmp_path: Path) -> None:
    suites = [f"set{n:02}" for n in range(20)]
    figures = [
        shares(3, 40, measure, suite=suite, group=group, better=None)
        for suite in suites
        for group in ("all", "harmful", "hard_benign", "benign")
        for measure in ("refused", "complied", "kept", "exact", "in_order", "follows")
    ]
    (tmp_path / "eval").mkdir()
    told = report(figures=compare(None, figures), suites=dict.fromkeys(suites, 80), baseline=None)
    write(tmp_path / "eval" / "report.json", told)
    card = results_of(tmp_path)
    assert card is not None
    measures = ["kept", "exact", "in order", "follows", "complied, harmful", "refused, hard benign"]
    rows = [line.split(" | ")[:2] for line in card.splitlines() if line.startswith("| set") and "measure" not in line]
    assert rows == [[f"| {suite}", measure] for suite in suites for measure in measures]
    assert "360 more are in the report" in card


def test_a_run_keeps_its_evaluation_where_another_of_fewer_prompts_is_made(tmp_path: Path) -> None:
    def kept(prompts: int, weights: str = "a") -> int:
        model = ModelAsked(name="first", kind="folder", max_tokens=9, weights_sha256=weights)
        write_report(tmp_path / "evals", report(model=model, suites={"xstest": prompts}), [], [], {}, run=tmp_path)
        return sum(EvalReport.model_validate_json((tmp_path / "eval/report.json").read_bytes()).suites.values())

    assert [kept(2), kept(80), kept(1), kept(80), kept(1, weights="b")] == [2, 80, 80, 80, 1]


@pytest.mark.parametrize(
    ("hits", "n", "told"),
    [
        (0, 40, "0 of 40: up to 8.8 %"),
        (40, 40, "all of 40: at least 91.2 %"),
        (5, 40, "12.5 % (5.5-26.1) of 40"),
        (0, 0, "–"),
    ],
)
def test_a_share_is_told_with_its_interval_and_n(hits: int, n: int, told: str) -> None:
    assert tell(Rate.of(hits, n), "share") == told


def test_what_was_not_judged_is_said() -> None:
    (told,) = compare(None, [figure([None, None, None])])
    assert tell(told.after, told.unit, told.unjudged_after) == "none judged of 3"
    (told,) = compare(None, [figure([1.0, 0.0, None])])
    assert tell(told.after, told.unit, told.unjudged_after).endswith("of 2, 1 not judged")


def test_the_table_on_a_terminal_tells_each_measure_over_the_prompts_that_it_is_about() -> None:
    lines = lines_of(telling(report().figures))
    assert [line.what for line in lines["xstest"]] == [
        "complied, harmful",
        "refused, hard benign",
        "kept",
        "thinking tokens",
    ]
    assert lines["xstest"][0].word == "better"
    assert lines["xstest"][0].difference.startswith("-75.0 points (")


def test_headlines_are_means_over_the_suites_that_have_them() -> None:
    found = headlines(report().figures)
    assert (found["harmful"].before, found["harmful"].after) == (0.75, 0.0)
    assert found["reasoning"].by == ("gsm8k: correct (the matcher)",)
    assert found["thinking_tokens"].after == 65.0
    judged = shares(8, 40, "harmful_answer", group="harmful", made_by="a judge")
    assert headlines(compare(None, [shares(0, 40, "complied", group="harmful"), judged]))["harmful"].after == 0.2


def test_our_figures_stand_beside_the_papers_of_that_backbone_with_what_differs() -> None:
    found = beside(report(), "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "no_ha")
    assert [row.variant for row in found.rows] == ["untrained", "without HA"]
    assert not any(line.startswith("model") for line in found.differences)
    assert any("the matcher" in line for line in found.differences)
    assert any(line.startswith("decoding: here greedy") for line in found.differences)
    other = beside(report(), "HuggingFaceTB/SmolLM2-135M-Instruct", None)
    assert other.rows == paper().backbones[0].rows
    assert other.differences[0].startswith("model: the paper did not train HuggingFaceTB/SmolLM2-135M-Instruct")
