"""What an evaluation of a run found, as its model's card tells it: RUN/eval/report.json as one table.

| set    | measure              |                  before |                   after | difference | | judged by |
| xstest | refused, hard benign | 62.5 % (47.0-75.8) of 40 | 0 of 40: up to 8.8 % | …
"""

from pathlib import Path

from pydantic import ValidationError

from schemas.errors import TrainError
from schemas.evaluation import EvalReport
from schemas.markdown import Markup, inline
from train.evaluation.table import Line, lines_of, telling

REPORT = Path("eval") / "report.json"


def results_of(run: Path) -> Markup | None:
    """A table of the figures that a terminal shows too, of every suite, none of which holds a word of a prompt or of an
    answer; None: the run was not evaluated.

    Raises TrainError where the report is none.
    """
    path = run / REPORT
    if not path.exists():
        return None
    try:
        report = EvalReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "it is no JSON"
        raise TrainError(f"{path}: not an evaluation of this version ({place}); evaluate the run again") from None
    before = f"before ({inline(report.baseline.name)})" if report.baseline else "before"
    shown = telling(report.figures)
    lines = [
        "Each with its 95 % interval, and of how many prompts.",
        "",
        f"| set | measure | {before} | after | difference | | judged by |",
        "|:--|:--|--:|--:|--:|:--|:--|",
        *(_line(suite, line) for suite, its in lines_of(shown).items() for line in its),
    ]
    if more := len(report.figures) - len(shown):
        lines += ["", f"Of other groups and measures, {more:,} more are in the report."]
    lines += ["", *(f"- {inline(note, 400)}" for note in report.notes)]
    return Markup("\n".join(lines).rstrip())


def kept_instead(run: Path, report: EvalReport) -> int:
    """How many prompts the evaluation was of that a run keeps instead of `report`: of the same weights and more
    prompts, so that a trial of a few does not take its place. 0: it keeps none, and `report` takes its place."""
    try:
        held = EvalReport.model_validate_json((run / REPORT).read_bytes())
    except (OSError, ValidationError):
        return 0
    prompts = sum(held.suites.values())
    same = held.model.weights_sha256 == report.model.weights_sha256
    return prompts if same and prompts > sum(report.suites.values()) else 0


def _line(suite: str, line: Line) -> str:
    shown = (suite, line.what, line.before, line.after, line.difference, line.word, line.made_by)
    return f"| {' | '.join(inline(one) for one in shown)} |"
