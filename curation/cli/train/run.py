"""`curate train RELEASE`: a release and a model become a model that thinks in the release's structure."""

import importlib.util
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from curation.cli.console import in_columns, visible
from curation.cli.extras import require
from curation.cli.train.estimating import reckon, show
from curation.cli.train.given import Given, read_release
from curation.cli.train.process import Machines, train_apart
from curation.cli.train.push import check, push_after
from schemas.errors import TrainError, UsageError
from schemas.settings import EMBEDDED
from schemas.training import Preset, Recipe, RunConfig, RunRecord, Shape

USUAL_GPU = "A100-80"
"""What a run is reckoned for where neither the command nor the preset names one."""


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
@click.option("--batch-rows", type=click.IntRange(1), help="Rows an optimizer step, over all GPUs.")
@click.option("--max-tokens", type=click.IntRange(16), help="Of a row; a longer one is refused, never cut.")
@click.option("--packing/--no-packing", default=None, help="Short rows share a sequence of --max-tokens.")
@click.option("--system", multiple=True, help="A system prompt; several are dealt out over the rows.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
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
@click.option(
    "--resume", is_flag=True, help="Go on with the run in --out, from its last whole checkpoint; begin it if not there."
)
@click.option("--push-to", metavar="ORG/NAME", help="Then bring the model to the Hub, as `curate train push` does.")
@click.option("--public", is_flag=True, help="With --push-to: make it public; it is private otherwise.")
@click.option("--estimate", "only_estimate", is_flag=True, help="Memory and time on --gpu; nothing is loaded.")
@click.option("--gpu", metavar="NAME", help=f"The GPU to reckon with.  [default: the preset's, else {USUAL_GPU}]")
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
    gpu: str | None,
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
    many = structures is not None or seeds is not None
    _require_with(
        ("--revision", revision, "--model", model),
        ("--public", public, "--push-to", push_to),
        ("--gpu", gpu, "--estimate", only_estimate),
        ("--main-address", main_address, "--machines", machines > 1),
    )
    if only_estimate and (push_to or resume):
        raise UsageError("--estimate trains nothing; leave out --push-to and --resume")
    _require_reporters(report_to)
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
    _require_machines(sharing, gpus, sharding)
    folder = out or project / "runs" / f"{chosen.name}-{'ablation' if many else seed}"
    with tempfile.TemporaryDirectory() as passing:
        given = read_release(project, release, Path(passing))
    path = model_path(model) if model else None
    shape = _shape(path, revision, must=only_estimate) if path else chosen.shape
    if only_estimate:
        assert shape is not None
        show(reckon(shape, recipe, gpu or chosen.gpu or USUAL_GPU, gpus * machines, sharding, given), as_json=as_json)
        return
    sharding = _require_device(chosen, shape, recipe, gpus, machines, sharding, given)
    if push_to:
        check(push_to, public=public)
    config = RunConfig(
        name=folder.name,
        preset=chosen.name,
        model=model or chosen.model,
        model_path=path or model_path(chosen.model),
        model_revision=revision if model else chosen.revision,
        release=given.name,
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
    from train.record import LOG, create

    begins = not machine_rank and not (resume and folder.exists())
    if machine_rank:
        _require_begun(folder, config)
    elif not begins:
        _require_same(folder, config)
    else:
        create(folder, config, given.rows, given.tests)
    try:
        if gpus > 1 or machines > 1:
            train_apart(folder, gpus, sharding, sharing)
        else:
            from train.sft import run

            run(folder, say=lambda line: click.echo(in_columns(line), err=True), started=started)
    except TrainError:
        if begins and not (folder / LOG).exists():
            shutil.rmtree(folder)  # refused before its first step: the next try may ask for something else
        raise
    if machine_rank:  # machine 0 writes the record
        return
    _report(folder, as_json=as_json)
    if push_to:
        push_after(project, folder, push_to, public=public)


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Raises UsageError where the two do not go together."""
    try:
        return Recipe.model_validate(
            recipe.model_dump() | {key: new for key, new in changes.items() if new is not None}
        )
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = "".join(f"--{name}: ".replace("_", "-") for name in first["loc"] if isinstance(name, str))
        raise UsageError(f"{place}{first['msg'].removeprefix('Value error, ')}") from None


def model_path(model: str) -> str:
    """Where the model's files are: a folder as it is, the embedded one made ready, else a Hub id."""
    if model == EMBEDDED:
        from curation.embedded import cache_folder, fetch
        from train.student import from_gguf

        return str(from_gguf(fetch(None), cache_folder()))
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _shape(model: str, revision: str | None, *, must: bool) -> Shape | None:
    """The sizes of another model than the preset's; where they are not known None or, if they `must` be, TrainError."""
    from train.shape import read_shape

    try:
        return read_shape(model, revision)
    except TrainError:
        if must:
            raise
        return None


def _require_device(
    preset: Preset, shape: Shape | None, recipe: Recipe, gpus: int, machines: int, sharding: Any, given: Given
) -> Any:
    """How the GPUs share the weights: as asked for, else as they have to. Raises TrainError where there is no such.
    `shape`: None where the model's sizes are not known."""
    from train.device import find_device, require

    device = find_device()
    needs = "what it would take is not known"
    if shape:
        found = reckon(shape, recipe, preset.gpu or USUAL_GPU, gpus * machines, sharding, given)
        needs = f"it would take about {found.total_gb:.0f} GB of {'one' if gpus == 1 else f'each of {gpus}'}"
        sharding = found.sharding if device.kind == "cuda" else sharding
    require(device, recipe, preset, needs, gpus)
    return sharding


def _require_machines(machines: Machines, gpus: int, sharding: Any) -> None:
    """Raises UsageError where they do not go together: before anything is read or made."""
    from train.launch import launcher

    launcher(gpus, "none", *machines)
    if sharding not in (None, "none") and gpus * machines.number == 1:
        raise UsageError(f"--sharding {sharding}: one GPU has nobody to share with; --gpus N makes them several")


def _require_with(*options: tuple[str, object, str, object]) -> None:
    """Raises UsageError for an option that is given without the one that it is of: it would be silently ignored."""
    for name, given, other, there in options:
        if given and not there:
            raise UsageError(f"{name} is of {other}, which is not given; add that, or leave out {name}")


def _require_reporters(names: Sequence[str]) -> None:
    """Raises UsageError where one is not installed: before weights are loaded for it."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"--report-to {name}: is not installed: pip install {name}")


def _require_same(folder: Path, config: RunConfig) -> None:
    """Raises TrainError where the run in `folder` is finished, or was begun with other options."""
    from train.record import read_config, read_record, require_none

    require_none(read_config(folder).unlike(config), folder)
    if read_record(folder) is not None:
        raise TrainError(f"{folder}: is finished already; choose another --out for a new run")


def _require_begun(folder: Path, config: RunConfig) -> None:
    if not folder.exists():
        raise TrainError(f"{folder}: machine 0 makes it: begin there, in a folder that all machines see")
    _require_same(folder, config)


def _report(folder: Path, *, as_json: bool) -> None:
    from train.record import read_record

    record = read_record(folder)
    assert record is not None
    if as_json:
        click.echo(record.model_dump_json(indent=2))
        return
    for line in lines_of(record):
        click.echo(visible(line))
    click.echo(visible(f"next: curate train merge {shlex.quote(str(folder))}", one_line=True))


def lines_of(record: RunRecord) -> list[str]:
    """What came of a run, for people."""
    return [
        f"trained   {record.steps:,} steps in {record.seconds / 60:.1f} min, {record.tokens_per_second:,.0f} tokens/s",
        f"loss      {record.first_loss:.3f} to {record.final_loss:.3f}",
        f"memory    {record.peak_memory_bytes / 1e9:.1f} GB at most",
        f"weights   {record.weights_sha256[:16]}",
    ]
