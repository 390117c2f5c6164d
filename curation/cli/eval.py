"""`curate eval MODEL`: what a model does with prompts, beside what another one does with the same."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from curation.cli.console import visible
from curation.cli.eval_models import BASE, Chosen, choose, choose_base, choose_judge, prompts_of
from curation.cli.eval_table import parts
from curation.cli.extras import require
from curation.cli.output import open_console, print_json, print_parts
from curation.cli.progress import counted
from schemas.ablation import ABLATION
from schemas.errors import UsageError
from schemas.evaluation import Answered, Asked, Beside, EvalReport, ModelAsked
from schemas.settings import Endpoint
from schemas.training import Precision, RunRecord
from train.versions import MEASURED_WITH, versions_of

if TYPE_CHECKING:
    from train.evaluation.figures import Results
    from train.evaluation.run import Options

NO_STRUCTURE = "none"
JUDGE_KINDS = ("rubric", "llama-guard-3", "wildguard")
"""Those of train/evaluation/judges.py, which this file reads only once they are asked for."""


@click.command("eval")
@click.argument("model")
@click.option(
    "--baseline", metavar="MODEL", help="To compare with, on the same prompts; base: what the run began from."
)
@click.option(
    "--suites", metavar="NAME,NAME", default="heldout", show_default=True, help="docs/evaluating.md lists them."
)
@click.option("--file", "files", multiple=True, metavar="NAME=PATH", help="A suite's rows, instead of the Hub's.")
@click.option("--limit", type=click.IntRange(1), help="Prompts of each suite, drawn over all of it.")
@click.option("--out", type=click.Path(path_type=Path), help="The evaluation's folder.  [default: evals/MODEL]")
@click.option("--structure", metavar="NAME", help="To measure adherence against; none.  [default: the run's own]")
@click.option("--system", default="", metavar="TEXT", help="A system prompt.")
@click.option("--temperature", type=click.FloatRange(0), default=0.0, show_default=True)
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, help="Completions a prompt.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of a temperature above 0.")
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True, help="Of a completion.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Of a model of this machine.")
@click.option(
    "--precision", type=click.Choice(get_args(Precision)), help="Of a model of this machine.  [default: fp32 on a CPU]"
)
@click.option("--judge", metavar="ENDPOINT", help="An endpoint of curate.toml that judges harm and structure.")
@click.option("--judge-kind", default="rubric", show_default=True, type=click.Choice(JUDGE_KINDS), help="Its form.")
@click.option("--against", type=click.Choice(["paper"]), help="Show the paper's figures beside.")
@click.option("--allow-trained", is_flag=True, help="Ask prompts that were trained on too, marked.")
@click.option("--include-harmful-text", is_flag=True, help="Also write harmful.jsonl, which stays on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
@click.pass_obj
def command(project: Path, /, model: str, **asked: Any) -> None:
    """Ask MODEL the prompts of suites, and say what changed: shares with 95 % intervals, paired differences, a word.

    MODEL is a run's folder, a model's folder, org/name[@revision] on the Hub, an endpoint of curate.toml, `embedded`,
    or the folder of an ablation (`curate train --structures`), whose runs are all evaluated into its table. With vllm/
    before a folder or a name on the Hub, vLLM answers. Prompts that a run was trained on are left out. Stopped and
    called again with the same words, it asks what is missing.

    \b
    Examples:
      curate eval runs/smollm2-cpu-0 --baseline base
      curate eval runs/first --suites heldout,xstest,gsm8k --file xstest=xstest.jsonl --limit 100
      curate eval runs/first --baseline base --judge gpt --against paper
      curate eval runs/first --suites jbb --judge guard --judge-kind llama-guard-3
      curate eval vllm/runs/first --baseline base --suites xstest
      curate eval org/model@v1 --suites xstest --temperature 0.6 --samples 4
      curate eval runs/smollm2-cpu-ablation --baseline base
    """
    require("eval")
    options = _Options(**asked)
    if not math.isfinite(options.temperature):
        raise UsageError(f"--temperature {options.temperature}: give a number, such as 0.7")
    for folder in (Path(model), project / model):
        if (folder / ABLATION).exists():
            _evaluate_ablation(project, folder, options)
            return
    chosen = choose(project, model)
    baseline = _baseline(project, options.baseline, chosen)
    if options.precision and chosen.base_url and (baseline is None or baseline.base_url):
        raise UsageError(f"--precision {options.precision}: a server reckons as it was started; leave it out")
    plan = _plan(project, options, [chosen, *([baseline] if baseline else [])])
    out = options.out or project / "evals" / chosen.name.replace("/", "--")
    structure = _structure_of(options, chosen)
    before = _ask(project, out / "baseline", baseline, plan, options, structure) if baseline else None
    report = _evaluate(project, out, chosen, plan, options, structure, baseline, before)
    if options.as_json:
        print_json(report)
        return
    console = open_console()
    print_parts(console, parts(report, console.width))
    click.echo(f"report: {out / 'report.html'}")


class _Options(NamedTuple):
    """What was asked for."""

    baseline: str | None
    suites: str
    files: tuple[str, ...]
    limit: int | None
    out: Path | None
    structure: str | None
    system: str
    temperature: float
    samples: int
    seed: int
    max_tokens: int
    batch_size: int
    precision: Precision | None
    judge: str | None
    judge_kind: str
    against: str | None
    allow_trained: bool
    include_harmful_text: bool
    as_json: bool


class _Plan(NamedTuple):
    """The prompts that every model of an evaluation is asked."""

    asked: dict[str, list[Asked]]
    left_out: dict[str, int]
    marked: dict[str, int]
    notes: list[str]


def _baseline(project: Path, name: str | None, model: Chosen) -> Chosen | None:
    if name is None:
        return None
    return choose_base(model) if name == BASE else choose(project, name)


def _plan(project: Path, options: _Options, models: Sequence[Chosen]) -> _Plan:
    """The suites' prompts less those that any of these models trained on. Raises UsageError or SourceError."""
    from train.evaluation.contamination import Trained, decontaminate, trained_in
    from train.evaluation.servers import VLLM
    from train.evaluation.suites import draw

    files = _files(options.files)
    names = dict.fromkeys([*filter(None, (name.strip() for name in options.suites.split(","))), *files])
    runs = [one.folder for one in models if one.record and one.folder]
    trained = trained_in(*runs) if runs else Trained()
    plan = _Plan({}, {}, {}, [])
    for name in names:
        everything = prompts_of(name, files.get(name))
        kept, found = decontaminate(everything, trained, mark=options.allow_trained)
        if found:
            (plan.marked if options.allow_trained else plan.left_out)[name] = found
            done = "asked all the same" if options.allow_trained else "left out"
            plan.notes.append(
                f"{name}: {found:,} of {len(everything):,} prompts {done}: a run saw them, their family or source"
            )
        plan.asked[name] = draw(kept, options.limit)
    if running := [one.name for one in models if one.base_url and one.address.startswith(VLLM)]:
        plan.notes.append(f"{' and '.join(running)}: answered by a server that was running; its weights are as it says")
    unknown = [one.name for one in models if one.record is None]
    if unknown:
        plan.notes.append(f"nothing says what {' and '.join(unknown)} trained on: prompts of these suites may be in it")
    if runs and not trained.rows_known:
        plan.notes.append("a run's rows are not there: its prompts are told apart by family and source only")
    return plan


def _files(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--file {one!r}: write NAME=PATH, as in xstest=xstest.jsonl")
        found[name] = Path(path)
    return found


def _structure_of(options: _Options, model: Chosen) -> str | None:
    if options.structure == NO_STRUCTURE:
        return None
    return options.structure or (model.record.config.structure if model.record else None)


def _ask(
    project: Path, folder: Path, model: Chosen, plan: _Plan, options: _Options, structure: str | None
) -> "Results":
    from train.evaluation.figures import read_logs
    from train.evaluation.judging import scorers_of
    from train.evaluation.run import evaluate
    from train.evaluation.servers import VLLM

    judge = choose_judge(project, options.judge) if options.judge else None
    how = _how(project, options, structure, model.endpoint, judge.endpoint if judge else None)
    measured = how.structure.model_dump_json() if how.structure else ""
    logs = evaluate(
        model.address,
        plan.asked,
        folder,
        how,
        base_url=model.base_url,
        revision=model.served_revision if model.address.startswith(VLLM) else model.revision,
        judge=judge.address if judge else None,
        judge_url=judge.base_url if judge else None,
        judges=scorers_of(options.judge_kind, measured) if judge else [],
        progress=counted(model.name),
    )
    return read_logs(logs)


def _how(
    project: Path, options: _Options, structure: str | None, model: Endpoint | None, judge: Endpoint | None
) -> "Options":
    """With what the settings of both endpoints allow: inspect bounds their requests alike, so none gets too many."""
    from curation.structures import load_pools, load_structure
    from train.evaluation.run import Options
    from train.evaluation.structures import Measured

    usual: int = Options.model_fields["timeout_seconds"].default
    endpoints = [one for one in (model, judge) if one]
    rates = {
        "at_once": min((one.concurrency for one in endpoints), default=None),
        # An endpoint's own default is for the short replies of `curate generate`.
        "timeout_seconds": max(
            (
                math.ceil(one.timeout_seconds) if "timeout_seconds" in one.model_fields_set else usual
                for one in endpoints
            ),
            default=None,
        ),
        "requests_per_minute": model.requests_per_minute if model else None,
        "judge_requests_per_minute": judge.requests_per_minute if judge else None,
    }
    return Options(
        system=options.system,
        structure=Measured.of(load_structure(structure, project), load_pools(project)) if structure else None,
        temperature=options.temperature,
        samples=options.samples,
        seed=options.seed,
        max_tokens=options.max_tokens,
        batch_size=options.batch_size,
        precision=options.precision,
        **{name: value for name, value in rates.items() if value is not None},
    )


def _evaluate(
    project: Path,
    out: Path,
    model: Chosen,
    plan: _Plan,
    options: _Options,
    structure: str | None,
    baseline: Chosen | None = None,
    before: "Results | None" = None,
) -> EvalReport:
    """Asks the model and writes the report into `out`. `before`: what the baseline said."""
    from train.evaluation.balanced import with_balanced
    from train.evaluation.compare import compare
    from train.evaluation.figures import figures_of
    from train.evaluation.judged_by import notes_of
    from train.evaluation.report import write_report
    from train.results import kept_instead

    started = time.perf_counter()
    after = _ask(project, out / "model", model, plan, options, structure)
    figures = with_balanced(compare(figures_of(before) if before else None, figures_of(after)))
    unanswered = [
        f"{suite}: {count:,} answers of {name} never came, and are not judged"
        for name, results in ((model.name, after), (baseline.name if baseline else "", before))
        if results
        for suite, count in Counter(one.suite for one in results.unanswered).items()
    ]
    words = sum(one.word is not None for one in figures)
    chance = [f"of {words:,} comparisons about {words / 20:.0f} would be called better or worse by chance alone"]
    report = EvalReport(
        model=_asked_as(model, options, structure),
        baseline=_asked_as(baseline, options, structure) if baseline else None,
        suites={suite: len(asked) for suite, asked in plan.asked.items()},
        refused_prompts=plan.left_out,
        trained_prompts=plan.marked,
        figures=figures,
        notes=(*plan.notes, *unanswered, *notes_of(figures), *(chance if words >= 10 else [])),
        versions=versions_of(MEASURED_WITH),
        seconds=time.perf_counter() - started,
    )
    if options.against:
        report = report.model_copy(update={"paper": _beside(report, model)})
    asked = {(one.suite, one.id): one for suite in plan.asked.values() for one in suite}
    said: Sequence[Answered] = before.answered if before else ()
    write_report(
        out,
        report,
        said,
        after.answered,
        asked,
        include_harmful_text=options.include_harmful_text,
        run=model.folder if model.is_run else None,
    )
    if model.is_run and model.folder and model.record:
        if kept := kept_instead(model.folder, report):
            click.echo(visible(f"{model.name} and its card keep its evaluation of more prompts ({kept:,})"), err=True)
        _write_card(model.folder, model.record)
    return report


def _write_card(run: Path, record: RunRecord) -> None:
    from train.card import write_card
    from train.record import CARD, MODEL, put
    from train.results import results_of

    put(run / MODEL / CARD, write_card(record, results_of(run)).encode())


def _beside(report: EvalReport, model: Chosen) -> Beside:
    from train.card import base_of
    from train.evaluation.paper import beside

    config = model.record.config if model.record else None
    return beside(report, base_of(config)[0] if config else model.name, config.structure if config else None)


def _asked_as(model: Chosen, options: _Options, structure: str | None) -> ModelAsked:
    return ModelAsked(
        name=model.name,
        kind=model.kind,
        revision=model.revision,
        # A merged folder has the record of the run that it came from, whose hash is not of its files.
        weights_sha256=model.record.weights_sha256 if model.is_run and model.record else None,
        temperature=options.temperature,
        samples=options.samples,
        max_tokens=options.max_tokens,
        system=options.system or None,
        precision=None if model.base_url else options.precision,
        structure=structure,
    )


def _evaluate_ablation(project: Path, folder: Path, options: _Options) -> None:
    """Evaluates every finished run of an ablation, and the baseline where one is named, and fills in its table."""
    from train.ablation import TABLE, note
    from train.evaluation.ablation import evaluated, evaluation_lines
    from train.record import read_ablation

    if options.structure:
        raise UsageError("--structure: the runs of an ablation are each measured against their own")
    if options.against:
        raise UsageError(f"--against: {folder} is an ablation, whose table has no such rows; name one of its runs")
    ablation = read_ablation(folder)
    runs = [(run, choose(project, str(folder / run.folder))) for run in ablation.runs]
    if not runs:
        raise UsageError(f"{folder}: none of its runs is finished; go on with them by `curate train … --resume`")
    baseline = _baseline(project, options.baseline, runs[0][1])
    plan = _plan(project, options, [model for _, model in runs])
    out = options.out or project / "evals" / folder.resolve().name
    found = []
    if baseline:
        found.append(evaluated(_evaluate(project, out / "untrained", baseline, plan, options, None), None))
    for run, model in runs:
        report = _evaluate(project, out / run.folder, model, plan, options, run.structure)
        found.append(evaluated(report, run.structure, run.seed))
        ablation = note(folder, found)
    if options.as_json:
        print_json(ablation)
        return
    for line in evaluation_lines(ablation):
        click.echo(visible(line))
    click.echo(f"table: {folder / TABLE}")
