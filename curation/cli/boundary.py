"""`curate boundary MODEL`: where a model draws the line between harmful and benign, beside what surface words tell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click

from curation.cli.eval_models import Chosen, choose, prompts_of
from curation.cli.output import open_console, print_json, print_parts
from curation.cli.progress import counted
from schemas.boundary import Boundary
from schemas.errors import UsageError
from schemas.evaluation import Asked
from schemas.example import Branch
from schemas.training import Precision
from train.evaluation.servers import LOCAL
from train.versions import MEASURED_WITH, versions_of

if TYPE_CHECKING:
    from rich.table import Table

UNDERSTANDING_TOKENS = 64
"""An understanding has 30 to 40, and the verdict that ends it has to be seen to begin."""
ANSWERED_AT_ONCE = 4
"""Prompts that are answered together for each one that is weighed: weighing reads all wordings, and takes more."""


class Options(NamedTuple):
    """What was asked for."""

    suite: str
    file: Path | None
    limit: int | None
    release: Path | None
    out: Path | None
    batch_size: int
    precision: Precision | None
    as_json: bool


@click.command("boundary")
@click.argument("model")
@click.option("--suite", metavar="NAME", default="xstest", show_default=True)
@click.option("--file", type=click.Path(path_type=Path), help="The suite's rows, instead of the Hub's.")
@click.option("--limit", type=click.IntRange(1), help="Prompts, drawn over all of the suite.")
@click.option(
    "--release",
    type=click.Path(path_type=Path),
    help="The probe trains on its prompts.  [default: the run's own, else the packaged ones]",
)
@click.option("--out", type=click.Path(path_type=Path), help="[default: evals/MODEL/boundary]")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Prompts weighed at once.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="[default: bf16 on a GPU, fp32 on a CPU]")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on standard output.")
@click.pass_obj
def command(project: Path, /, model: str, **asked: Any) -> None:
    """Say where MODEL draws the line between harmful and benign prompts, beside what their surface words would tell.

    MODEL is a run's or a model's folder, org/name[@revision] on the Hub, or `embedded`: it has to be loaded here. It
    writes its own understanding of each prompt; after that the log-probability of the harmful wordings of a verdict is
    set against that of the benign ones. Told are the AUROC of that lean, and how many benign prompts are lost where the
    line finds 90 % or 95 % of the harmful ones, for the model and for a TF-IDF probe.

    \b
    Examples:
      curate boundary runs/smollm2-cpu-0
      curate boundary runs/smollm2-cpu-0 --file xstest.jsonl --limit 100
      curate boundary embedded --suite heldout --release releases/v1
    """
    options = Options(**asked)
    chosen = choose(project, model)
    if not chosen.address.startswith(LOCAL):
        raise UsageError(f"{model}: a server tells no log-probabilities of given words; name a model to load here")
    prompts = _prompts(options, chosen)
    if not prompts:
        raise UsageError(f"{options.suite}: no prompt is left to ask; the run trained on all of them")
    out = options.out or project / "evals" / chosen.name.replace("/", "--") / "boundary"
    found = _measure(project, chosen, prompts, options, out)
    if options.as_json:
        print_json(found)
        return
    print_parts(open_console(), [_table(found)])
    click.echo(f"picture: {out / 'boundary.png'}")


def _prompts(options: Options, model: Chosen) -> list[Asked]:
    """The suite's prompts less those that the run trained on."""
    from train.evaluation.contamination import decontaminate, trained_in
    from train.evaluation.suites import draw

    prompts = prompts_of(options.suite, options.file)
    if model.record and model.folder:
        prompts, found = decontaminate(prompts, trained_in(model.folder))
        if found:
            click.echo(f"{found:,} prompts left out: the run saw them, their family or source", err=True)
    return draw(prompts, options.limit)


def _measure(project: Path, model: Chosen, prompts: list[Asked], options: Options, out: Path) -> Boundary:
    """Asks the model, weighs the wordings, trains the probe, and writes all three into `out`."""
    from curation.structures import load_pools
    from train.evaluation.boundary import boundary, understanding_of, wordings_of
    from train.evaluation.boundary_picture import draw
    from train.evaluation.local_model import open_model, prompt_of, say
    from train.evaluation.separation import difference, separate
    from train.evaluation.surface_probe import probe_leans, train_probe

    pools = load_pools(project)
    verdicts = pools["verdict_harmful"], pools["verdict_benign"]
    wordings = wordings_of(*verdicts)
    known = {one.prompt for one in prompts}
    probe = train_probe([one for one in _trained_on(options, model) if one[0] not in known])
    local = open_model(model.address.removeprefix(LOCAL), model.revision, options.precision)
    batch = ANSWERED_AT_ONCE * options.batch_size
    understandings: list[str] = []
    tell = counted(model.name)
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        ids = [prompt_of(local, [{"role": "user", "content": one.prompt}]) for one in some]
        said = say(local, ids, UNDERSTANDING_TOKENS, batch)
        understandings += [understanding_of(one.completion, verdicts) for one in said]
        tell("understandings", len(understandings), len(prompts))

    def weighed(done: int) -> None:
        tell("verdicts weighed", done, len(prompts))

    leans = boundary(local, prompts, understandings, wordings, options.batch_size, progress=weighed)
    by_words = probe_leans(probe, prompts)
    found = Boundary(
        model=model.name,
        suite=options.suite,
        wordings=(len(wordings.harmful), len(wordings.benign)),
        student=separate(leans),
        probe=separate(by_words),
        probe_rows=probe.rows,
        difference=difference(leans, by_words),
        revision=model.revision,
        weights_sha256=model.record.weights_sha256 if model.is_run and model.record else None,
        precision=local.precision,
        versions=versions_of(MEASURED_WITH),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "boundary.json").write_text(found.model_dump_json(indent=2) + "\n", "utf-8")
    (out / "leans.jsonl").write_text("".join(f"{one.model_dump_json()}\n" for one in leans), "utf-8")
    (out / "boundary.png").write_bytes(draw(found, leans, by_words))
    return found


def _trained_on(options: Options, model: Chosen) -> list[tuple[str, Branch]]:
    """Prompts and labels that the probe may learn from: a release's, the run's, or the packaged examples'."""
    from train.record import ROWS, read_rows

    if options.release:
        import polars

        paths = sorted((options.release / "data" / "default").glob("train-*.parquet"))
        if not paths:
            raise UsageError(f"--release {options.release}: is no release; `curate export` makes one")
        return polars.read_parquet(paths, columns=["instruction", "label"]).rows()
    if model.is_run and model.folder and (model.folder / ROWS).exists():
        return [(row.instruction, row.label) for row in read_rows(model.folder / ROWS)]
    from curation.sources import packaged_examples

    return [(str(row["prompt"]), "harmful" if row["label"] == "harmful" else "benign") for row in packaged_examples()]


def _table(found: Boundary) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from train.evaluation.boundary_picture import rows_of

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    asked = found.student.harmful + found.student.benign
    for head in (f"{found.suite}, {asked:,} prompts", "model", f"words alone, {found.probe_rows:,} prompts"):
        table.add_column(head)
    for row in rows_of(found):
        table.add_row(*map(Text, row))
    return table
