"""What an evaluation of a run found, as its model's card tells it: RUN/eval/report.json as one table."""

from pathlib import Path

from pydantic import ValidationError

from schemas.errors import TrainError
from schemas.evaluation import Compared, EvalReport, Interval
from schemas.markdown import Markup, inline
from schemas.report import Rate

REPORT = Path("eval") / "report.json"

MOST_FIGURES = 60


def results_of(run: Path) -> Markup | None:
    """A table of figures, none of which holds a word of a prompt or of an answer; None: the run was not evaluated.

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
    lines = [
        "Shares with their 95 % intervals in %, other figures as they are; n counts prompts.",
        "",
        f"| set | group | measure | {before} | after | |",
        "|:--|:--|:--|--:|--:|:--|",
        *(_line(one) for one in report.figures[:MOST_FIGURES]),
    ]
    if more := len(report.figures) - MOST_FIGURES:
        lines += ["", f"{more:,} more figures are in the report."] if more > 0 else []
    lines += ["", *(f"- {inline(note, 400)}" for note in report.notes)]
    return Markup("\n".join(lines).rstrip())


def _line(one: Compared) -> str:
    words = (inline(one.suite), inline(one.group), f"{inline(one.measure)} ({inline(one.made_by)})")
    return f"| {' | '.join(words)} | {_shown(one.before)} | {_shown(one.after)} | {one.word or ''} |"


def _shown(found: Rate | Interval | None) -> str:
    return "–" if found is None else str(found)
