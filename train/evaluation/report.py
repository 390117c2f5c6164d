"""The files of a finished evaluation.

evals/NAME/
  report.json              schemas.evaluation.EvalReport
  report.html              one file with charts and pairs (train/evaluation/page.py)
  xstest.png, …            for a model's card
  samples.jsonl            what the model said to each prompt, and its measures (schemas.evaluation.Answered)
  baseline.samples.jsonl
  harmful.jsonl            on demand: what was said to harmful prompts, by both; stays on this machine
  .gitignore               keeps that file, and inspect's logs, which hold every text, out of a repository

Completions that may be harmful are in no other file of these.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import UsageError
from schemas.evaluation import Answered, Asked, EvalReport
from train.evaluation.page import render
from train.evaluation.pairs import may_be_harmful, shareable, telling_pairs
from train.evaluation.pictures import pictures
from train.record import put, write, write_lines
from train.results import REPORT as RUN_REPORT
from train.results import kept_instead

REPORT, PAGE, SAMPLES, BASELINE_SAMPLES, HARMFUL = (
    "report.json",
    "report.html",
    "samples.jsonl",
    "baseline.samples.jsonl",
    "harmful.jsonl",
)


def write_report(
    folder: Path,
    report: EvalReport,
    before: Sequence[Answered],
    after: Sequence[Answered],
    asked: Mapping[tuple[str, str], Asked],
    *,
    include_harmful_text: bool = False,
    run: Path | None = None,
) -> None:
    """Writes all of it into `folder`, each file whole or not at all.

    `asked`: by suite and id. `run`: the model's run, which gets the report too, so that its card can tell of it, but
    where it keeps one of more prompts (train/results.py). Raises UsageError where a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put(folder / ".gitignore", f"{HARMFUL}\nlogs/\n".encode())
        write_lines(folder / SAMPLES, shareable(after))
        if report.baseline:
            write_lines(folder / BASELINE_SAMPLES, shareable(before))
        (folder / HARMFUL).unlink(missing_ok=True)
        if include_harmful_text:
            write_lines(folder / HARMFUL, [one for one in (*before, *after) if may_be_harmful(one)])
        for name, png in pictures(report).items():
            put(folder / name, png)
        put(folder / PAGE, render(report, telling_pairs(before, after, asked)).encode("utf-8", "replace"))
        write(folder / REPORT, report)
        if run and not kept_instead(run, report):
            (run / RUN_REPORT).parent.mkdir(exist_ok=True)
            write(run / RUN_REPORT, report)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None
