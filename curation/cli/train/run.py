"""`curate train RELEASE`: a release and a model become a model that thinks in the release's structure."""

import shlex
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from curation.cli.console import in_columns, visible
from curation.cli.extras import require
from curation.cli.train.process import Machines, train_apart
from curation.cli.train.push import check, push_after
from curation.cli.verify import find_folder, look
from schemas.errors import TrainError, UsageError
from schemas.release import SftRow
from schemas.settings import EMBEDDED
from schemas.training import Preset, Recipe, RunConfig, RunRecord

if TYPE_CHECKING:
    from train.estimate import Estimate


@click.command("run")
@click.argument("release", metavar="RELEASE")
@click.option("--preset", metavar="NAME|FILE", help="A recipe for a backbone: smollm2-cpu, r1-distill-llama-8b, ...")
@click.option("--model", help="Another model than the preset's: a Hub id or a folder.")
@click.option("--revision", help="Of that model on the Hub.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/PRESET-SEED, PRESET-ablation]"
)
@click.option("--method", type=click.Choice(["lora", "qlora", "full"]), help="Another method than the preset's.")
@click.option("--precision", type=click.Choice(["bf16", "fp32"]))
@click.option("--epochs", type=click.FloatRange(0, min_open=True))
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True))
@click.option("--max-tokens", type=click.IntRange(16), help="Of a row; a longer one is refused, never cut.")
@click.option("--packing/--no-packing", default=None, help="Short rows share a sequence of --max-tokens.")
@click.option("--system", multiple=True, help="A system prompt; several are dealt out over the rows.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--structures", metavar="NAME,NAME", help="An ablation: the rows in each of these, a run for each.")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="A run from each of the seeds 0 to N-1.")
@click.option("--threads", type=click.IntRange(1), help="Of PyTorch on a CPU.")
@click.option("--checkpoints", type=click.IntRange(1), default=5, show_default=True, help="Over the whole run.")
@click.option(
    "--samples", type=click.IntRange(0), default=16, show_default=True, help="Prompts, asked before and after."
)
@click.option("--report-to", multiple=True, type=click.Choice(["tensorboard", "trackio", "wandb"]))
@click.option("--gpus", type=click.IntRange(1), help="Of this machine, a process each.  [default: the preset's]")
@click.option("--sharding", type=click.Choice(["none", "fsdp2", "zero3"]), help="How GPUs share the weights.")
@click.option("--machines", type=click.IntRange(1), default=1, help="That share the run, each with as many GPUs.")
@click.option("--machine-rank", type=click.IntRange(0), default=0, help="Which of them this one is: 0, 1, ...")
@click.option("--main-address", metavar="HOST[:PORT]", help="Where the others reach machine 0.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, from its last whole checkpoint.")
@click.option("--push-to", metavar="ORG/NAME", help="Then bring the model to the Hub, as `curate train push` does.")
@click.option("--public", is_flag=True, help="With --push-to: make it public; it is private otherwise.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Memory and time on --gpu; nothing is loaded.")
@click.option("--gpu", default="A100-80", show_default=True, help="The GPU to reckon with.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON on standard output.")
@click.pass_obj
def command(
    project: Path,
    /,
    release: str,
    preset: str | None,
    model: str | None,
    revision: str | None,
    out: Path | None,
    system: tuple[str, ...],
    seed: int,
    structures: str | None,
    seeds: int | None,
    threads: int | None,
    checkpoints: int,
    samples: int,
    report_to: tuple[str, ...],
    gpus: int | None,
    sharding: Any,
    machines: int,
    machine_rank: int,
    main_address: str | None,
    resume: bool,
    push_to: str | None,
    public: bool,
    only_estimate: bool,
    gpu: str,
    as_json: bool,
    **changes: Any,
) -> None:
    """Train on a release, a folder or org/name[@rev] on the Hub, with a preset's recipe. Every row is read back from
    the tokens that are trained before the first step: all stages, the answer and the stop token, or it is refused.

    The run's folder holds the config, the rows, the proof, checkpoints, the loss curve, answers before and after, the
    model and the record. A run that was stopped goes on by --resume and ends in the same weights.

    --structures and --seeds make a folder of several runs, with a table: in each structure the same rows, in the same
    order and steps. Other structures than the release's are derived by rule from the project's ledger, unreviewed.

    Several machines have the same project folder at the same path, and each gets the same command but for its
    --machine-rank, machine 0 first: it makes the run's folder and tells what came of the run.

    \b
    Examples:
      curate train releases/v1 --preset smollm2-cpu
      curate train releases/v1 --preset smollm2-cpu --resume
      curate train releases/v1 --preset smollm2-cpu --structures alttrain,no_ha,plain_answer_only --seeds 3
      curate train org/name@v1 --preset r1-distill-llama-8b --push-to org/model
      curate train org/name@v1 --preset r1-distill-llama-8b --estimate --gpu H100
      curate train org/name@v1 --preset r1-distill-qwen-32b --gpus 8 --sharding fsdp2
      curate train org/name@v1 --preset star1-full --gpus 8 --machines 2 --machine-rank 1 --main-address gpu-0
    """
    from train.preset import load_preset, preset_names

    started = time.perf_counter()
    if preset is None:
        raise UsageError(f"--preset is missing: a recipe for the model; there are: {', '.join(preset_names())}")
    if not only_estimate:
        require("train")
    chosen = load_preset(preset)
    recipe = _changed(chosen.recipe, changes)
    many = bool(structures or seeds)
    if many:
        if only_estimate or push_to or machines > 1:
            raise UsageError(
                "--structures and --seeds make several runs; --estimate, --push-to and --machines are of one"
            )
        if seeds and seed:
            raise UsageError("--seeds N takes the seeds 0 to N-1; leave out --seed")
        if changes["packing"]:
            raise UsageError("--packing: structures have rows of other lengths, which would pack into other steps")
        recipe = recipe.model_copy(update={"packing": False})
    gpus = gpus or max(1, chosen.gpus)
    sharing = Machines(machines, machine_rank, main_address)
    _require_machines(sharing, gpus)
    folder = out or project / "runs" / f"{chosen.name}-{'ablation' if many else seed}"
    with tempfile.TemporaryDirectory() as passing:
        given = _read(project, release, Path(passing))
    if only_estimate:
        _show_estimate(_estimate(chosen, recipe, gpu, gpus * machines, sharding, given), as_json)
        return
    sharding = _require_device(chosen, recipe, gpus, machines, sharding, given)
    if push_to:
        check(push_to, public=public)
    config = RunConfig(
        name=folder.name,
        preset=chosen.name,
        model=model or chosen.model,
        model_path=model_path(model or chosen.model),
        model_revision=revision if model else chosen.revision,
        release=release if "/" not in release or release.count("/") == 1 else Path(release).name,
        release_sha256=given.sha256,
        structure=given.rows[0].structure,
        recipe=recipe,
        system=system,
        seed=seed,
        threads=threads,
        checkpoints=checkpoints,
        sample_prompts=samples,
        report_to=report_to,
    )
    if many:
        from curation.cli.train.ablation import ablate, parse_structures

        ablate(
            project,
            folder,
            config,
            given,
            parse_structures(structures, config.structure, project),
            range(seeds) if seeds else (seed,),
            resume=resume,
            gpus=gpus,
            sharding=sharding,
            as_json=as_json,
        )
        return
    if machine_rank:
        _require_begun(folder)
    elif not (resume and folder.exists()):
        from train.record import create

        create(folder, config, given.rows, given.tests)
    elif _finished(folder):
        raise TrainError(f"{folder}: is finished already; choose another --out for a new run")
    if gpus > 1 or machines > 1:
        train_apart(folder, gpus, sharding, sharing)
    else:
        from train.sft import run

        run(folder, say=lambda line: click.echo(in_columns(line), err=True), started=started)
    if machine_rank:  # machine 0 writes the record
        return
    _report(folder, as_json=as_json)
    if push_to:
        push_after(project, folder, push_to, public=public)


class Given(NamedTuple):
    """What a release gives a run."""

    rows: list[SftRow]
    tests: list[SftRow]
    sha256: str
    undecided: frozenset[str]
    """Rows that by the release's own word no person decided on."""


def _read(project: Path, release: str, passing: Path) -> Given:
    """The release's rows. Raises TrainError where it does not keep its promises or has nothing to train."""
    from exports.layout import PROVENANCE, locate, main_config, read_columns, rows_sha256

    folder = find_folder(project, release, passing)
    off = [one for one in look(project, folder) if not one.unchecked]
    if off:
        first = ": ".join(filter(None, (off[0].where, off[0].what)))
        more = f" and {len(off) - 1} more" if len(off) > 1 else ""
        raise TrainError(f"{release}: is not what it says: {first}{more}; see `curate verify {shlex.quote(release)}`")
    columns = {
        config: {side: read_columns(paths) for side, paths in splits.items()}
        for config, splits in locate(folder).files.items()
    }
    main = columns[main_config(columns)]
    rows = {side: [_row(told) for told in main.get(side, ())] for side in ("train", "test")}
    if not rows["train"]:
        raise TrainError(f"{release}: has no rows in a split 'train'")
    told = [one for held in columns.get(PROVENANCE, {}).values() for one in held]
    undecided = frozenset(str(one["id"]) for one in told if one.get("decided_by") != "person")
    return Given(rows["train"], rows["test"], rows_sha256(columns), undecided)


def _row(columns: Mapping[str, Any]) -> SftRow:
    return SftRow.model_validate({name: columns[name] for name in SftRow.model_fields})


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | {key: new for key, new in changes.items() if new is not None})


def model_path(model: str) -> str:
    """Where the model's files are: a folder as it is, the embedded one made ready, else a Hub id."""
    if model == EMBEDDED:
        from curation.embedded import cache_folder, fetch
        from train.student import from_gguf

        return str(from_gguf(fetch(None), cache_folder()))
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _estimate(preset: Preset, recipe: Recipe, gpu: str, gpus: int, sharding: Any, given: Given) -> "Estimate":
    from train.estimate import estimate
    from train.gpus import find_gpu

    # Four characters a token, as English has them; --estimate loads no tokenizer.
    lengths = [(len(row.instruction) + len(row.response)) // 4 for row in given.rows]
    return estimate(preset.shape, recipe, find_gpu(gpu), gpus, len(lengths), sum(lengths), max(lengths), sharding)


def _show_estimate(found: "Estimate", as_json: bool) -> None:
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    for part in found.memory:
        click.echo(f"{part.name:<34} {part.gb:>8.2f} GB   {part.how}")
    click.echo(f"{'in all, on one GPU':<34} {found.total_gb:>8.2f} GB   of {found.has_gb:.0f} ({found.gpu})")
    if found.problem:
        click.echo(f"it cannot run there: {found.problem}")
    for mend in found.mends:
        click.echo(f"it would fit with: {mend}")
    low, high = found.seconds_low / 60, found.seconds_high / 60
    click.echo(f"{found.steps:,} optimizer steps, {low:,.0f} to {high:,.0f} min; reckoned, not measured")


def _require_device(preset: Preset, recipe: Recipe, gpus: int, machines: int, sharding: Any, given: Given) -> Any:
    """How the GPUs share the weights: as asked for, else as they have to. Raises TrainError where there is no such."""
    from train.device import find_device, require

    device = find_device()
    found = _estimate(preset, recipe, preset.gpu or "A100-80", gpus * machines, sharding, given)
    each = "one" if gpus == 1 else f"each of {gpus}"
    require(device, recipe, preset, f"it would take about {found.total_gb:.0f} GB of {each}", gpus)
    return found.sharding if device.kind == "cuda" else sharding


def _require_machines(machines: Machines, gpus: int) -> None:
    """Raises UsageError where numbers do not go together: before anything is read or made."""
    from train.launch import launcher

    launcher(gpus, "none", *machines)


def _require_begun(folder: Path) -> None:
    from train.record import read_config

    try:
        read_config(folder)
    except TrainError as error:
        raise TrainError(f"{error}; machine 0 makes it: begin there, in a folder that all machines see") from None
    if _finished(folder):
        raise TrainError(f"{folder}: is finished already; choose another --out for a new run")


def _finished(folder: Path) -> bool:
    from train.record import read_record

    return read_record(folder) is not None


def _report(folder: Path, *, as_json: bool) -> None:
    from train.record import read_record

    record = read_record(folder)
    assert record is not None
    if as_json:
        click.echo(record.model_dump_json(indent=2))
        return
    for line in lines_of(record):
        click.echo(visible(line))
    click.echo(f"next: curate train merge {shlex.quote(str(folder))}")


def lines_of(record: RunRecord) -> list[str]:
    """What came of a run, for people."""
    proof = record.proof
    labels = ", ".join(
        f"{label} {proof.rows_by_label[label]} rows, {tokens / proof.trained_tokens:.0%}".replace("%", " % of it")
        for label, tokens in proof.trained_by_label.items()
    )
    return [
        f"trained   {proof.rows:,} rows, {proof.trained_tokens:,} tokens ({labels}); {proof.masked_tokens:,} masked",
        f"longest   {proof.longest.tokens:,} tokens ({proof.longest.id})",
        *([f"letters   {_normalized(proof.normalized)}"] if proof.normalized else []),
        f"steps     {record.steps:,} in {record.seconds / 60:.1f} min, {record.tokens_per_second:,.0f} tokens/s",
        f"loss      {record.first_loss:.3f} to {record.final_loss:.3f}",
        f"memory    {record.peak_memory_bytes / 1e9:.1f} GB at most",
        f"weights   {record.weights_sha256[:16]}",
    ]


def _normalized(rows: int) -> str:
    return f"{rows:,} row{' holds' if rows == 1 else 's hold'} some that the tokenizer writes in Unicode's form NFC"
