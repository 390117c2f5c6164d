"""Where an audit's traces come from: the ledger, files, or a model that is asked the packaged prompts."""

import asyncio
import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from curation.cli.endpoints import open_models
from curation.cli.progress import fit, watch
from curation.cli.project import SETTINGS_FILE, load_settings, open_ledger
from schemas import think
from schemas.ablation import ABLATION, folder_of
from schemas.errors import UsageError
from schemas.example import Branch, Label
from schemas.settings import EMBEDDED

if TYPE_CHECKING:
    from curation.cli.audit import Options
    from curation.cli.eval_models import Chosen
    from curation.sources import BadRow, SourceRow
    from train.audit.audit import Given
    from train.heldout import HeldOut

NO_TRACE = "no reasoning in the row"
REPEATED = "the same trace again"
NO_THINKING = "an answer without thinking"
NOT_ENGLISH = "not in English, which is all that the rules read (--judge reads any)"
TELLS_A_LANGUAGE = 200
"""Characters. In a shorter text the language is a guess."""

_OF_A_MODEL = ("config.json", "adapter_config.json", "record.json", "model")


class Place(NamedTuple):
    """Where an audit goes."""

    folder: Path
    origin: str
    """A hash of where its traces lie."""


class Traces(NamedTuple):
    """What is to be audited."""

    name: str
    """As the report shows it: of a path the last part only."""
    place: Place
    given: list["Given"]
    left_out: list[str]
    """A reason for every row that is not among them."""
    notes: tuple[str, ...] = ()
    mend: str = ""
    """What may help where there is nothing to audit."""


def find(project: Path, source: str | None, options: "Options") -> Traces:
    """The traces of what the command names. Raises UsageError, SourceError, TrainError or EndpointError."""
    if source is None:
        return _of_ledger(project, options)
    settings = load_settings(project) if (project / SETTINGS_FILE).exists() else None
    if settings and source in settings.endpoints:
        return asyncio.run(_of_endpoint(project, source, options))
    for path in (Path(source).expanduser(), project / source):
        if (path / ABLATION).exists():
            raise UsageError(f"{source}: is an ablation of several runs; name one of them, as in {_a_run_of(path)}")
        if path.is_dir() and any((path / name).exists() for name in _OF_A_MODEL):
            return _of_model(project, str(path), options)
    if source == EMBEDDED:
        return _of_model(project, source, options)
    from curation.sources import PACKAGED
    from curation.tables import SUFFIXES

    is_file = source == PACKAGED or Path(source).expanduser().exists() or glob.has_magic(source)
    if is_file or Path(source).suffix.lower() in (*SUFFIXES, ".json"):
        return _of_files(project, source, options)
    return _of_model(project, source, options)


def _a_run_of(ablation: Path) -> Path:
    from train.record import read_ablation

    plan = read_ablation(ablation)
    structure, seed = plan.wanted[0]
    return ablation / (plan.runs[0].folder if plan.runs else folder_of(structure, seed))


def _place(project: Path, name: str, origin: str, options: "Options") -> Place:
    """The folder that was asked for, or else audits/NAME. Raises UsageError where that is an audit of other traces,
    before anything is asked or read."""
    from train.audit.files import origin_of

    hashed = hashlib.sha256(origin.encode("utf-8", "surrogatepass")).hexdigest()
    if options.out:
        return Place(options.out, hashed)
    folder = project / "audits" / name
    if (there := origin_of(folder)) and there != hashed:
        raise UsageError(f"{folder}: is the audit of another {name}; --out names a folder for this one")
    return Place(folder, hashed)


def _draw(traces: list["Given"], options: "Options") -> list["Given"]:
    """All of them, or as many as were asked for. Ids are hashes, so that the first of them are a draw over all."""
    if options.limit is None or options.limit >= len(traces):
        return traces
    drawn = {one.id for one in sorted(traces, key=lambda one: one.id)[: options.limit]}
    return [one for one in traces if one.id in drawn]


def _readable(traces: list["Given"], left_out: list[str], options: "Options") -> list["Given"]:
    """Those that the rules can read, the others counted."""
    from curation.language import language

    if options.judge:
        return traces
    kept = []
    for one in traces:
        if len(one.thought) >= TELLS_A_LANGUAGE and language(one.thought[:TELLS_A_LANGUAGE]) != "en":
            left_out.append(NOT_ENGLISH)
        else:
            kept.append(one)
    return kept


def _branch(label: str | None) -> Branch | None:
    return "harmful" if label == Label.HARMFUL else "benign" if label == Label.BENIGN else None


def _of_files(project: Path, source: str, options: "Options") -> Traces:
    from curation.cli.add import parse_pair
    from curation.sources import PACKAGED, read_source

    name = Path(source).name or source
    origin = source if source == PACKAGED else str(Path(source).expanduser().resolve())
    place = _place(project, Path(name).stem.replace("*", "all"), origin, options)
    mapping = dict(parse_pair(pair) for pair in options.pairs)
    left_out: list[str] = []
    found = list(_given(read_source(source, fields=options.fields, mapping=mapping), left_out))
    traces = _readable(_draw(found, options), left_out, options)
    mend = "--map trace=COLUMN or --map completion=COLUMN names the column that holds the thinking"
    return Traces(name, place, traces, left_out, mend=mend)


def _given(rows: "Iterator[SourceRow | BadRow]", left_out: list[str]) -> "Iterator[Given]":
    from curation.sources import SourceRow
    from train.audit.audit import Given

    seen = set()
    for row in rows:
        if not isinstance(row, SourceRow):
            left_out.append(row.reason)
        elif row.trace is None:
            left_out.append(row.note or NO_TRACE)
        elif row.trace.id in seen:
            left_out.append(REPEATED)
        else:
            seen.add(row.trace.id)
            seed, trace = row.seed, row.trace
            yield Given(trace.id, seed.id, seed.prompt, _branch(row.label), seed.category, trace.text, trace.answer)


def _of_ledger(project: Path, options: "Options") -> Traces:
    from train.audit.audit import Given

    name = project.resolve().name
    place = _place(project, name, str(project.resolve()), options)
    with open_ledger(project) as ledger:
        rows = ledger.query(
            "SELECT traces.id, seeds.id, seeds.prompt, seed_labels.label, seeds.category, traces.text, traces.answer"
            " FROM traces JOIN seeds ON seeds.id = traces.seed_id JOIN seed_labels ON seed_labels.seed_id = seeds.id"
            " ORDER BY traces.id LIMIT ?",
            (-1 if options.limit is None else options.limit,),
        )
        ((doubtful,),) = ledger.query("SELECT COUNT(*) FROM trace_labels WHERE source_complied")
    given = [
        Given(str(id), str(seed), str(prompt), _branch(label if label is None else str(label)),
              None if category is None else str(category), str(text), str(answer))
        for id, seed, prompt, label, category, text, answer in rows
    ]  # fmt: skip
    left_out: list[str] = []
    notes = []
    if doubtful:
        notes.append(
            f"{doubtful:,} traces of the ledger solve what a dataset calls harmful and nobody has looked at: such a "
            "label may be wrong (`curate review`)"
        )
    mend = "`curate add` brings traces, `curate trace` asks a model for some"
    return Traces(name, place, _readable(given, left_out, options), left_out, tuple(notes), mend)


def _prompts(options: "Options") -> "list[HeldOut]":
    from train.heldout import held_out

    prompts = held_out(())
    step = len(prompts) / min(options.limit or len(prompts), len(prompts))
    return [prompts[int(number * step)] for number in range(round(len(prompts) / step))]


def _asked(prompts: "list[HeldOut]", options: "Options") -> tuple[str, ...]:
    return (
        f"asked {len(prompts):,} mild prompts that ship with this tool, greedily, without a system prompt, at most "
        f"{options.max_tokens:,} tokens each",
    )


def _taken(said: "list[tuple[HeldOut, str]]", left_out: list[str], options: "Options") -> "list[Given]":
    """The traces in completions, each with its prompt."""
    from train.audit.audit import Given

    given = []
    for prompt, completion in said:
        thought = think.split(completion)
        text, answer, closed = "", "", thought is not None
        if thought:
            text, answer = thought.reasoning, thought.answer
        elif think.OPEN in completion and think.CLOSE not in completion:
            text = completion.partition(think.OPEN)[2]
        if text.strip():
            given.append(
                Given(prompt.id, prompt.id, prompt.prompt, prompt.label, prompt.category, text, answer, closed)
            )
        else:
            left_out.append(NO_THINKING)
    return _readable(given, left_out, options)


async def _of_endpoint(project: Path, name: str, options: "Options") -> Traces:
    from curation.model import RowFailed
    from curation.prompts import trace_request
    from curation.workers import run_workers

    place = _place(project, name, f"endpoint {name}", options)
    prompts = _prompts(options)
    left_out: list[str] = []
    said: dict[int, str] = {}
    # A refusal is what is looked for here, so no number of them ends the asking.
    settings = load_settings(project).model_copy(update={"refusals_in_a_row": len(prompts) + 1})
    async with open_models(settings, [name]) as models:

        async def ask(number: int) -> None:
            request = trace_request(prompts[number].prompt).model_copy(
                update={"max_tokens": options.max_tokens, "temperature": 0.0}
            )
            try:
                call = (await models.ask(request)).calls[-1]
            except RowFailed as failed:
                if failed.failure.kind != "cut":
                    left_out.append(f"no answer ({failed.failure.kind})")
                    return
                call = failed.calls[-1]
            said[number] = _completion(call.reasoning, call.raw, cut=call.outcome == "cut")

        work = run_workers(iter(range(len(prompts))), ask, models.workers, asyncio.Event())
        await watch(lambda seconds: fit(f"{len(said):,} of {len(prompts):,} prompts answered by {name}"), work)
    given = _taken([(prompts[number], said[number]) for number in sorted(said)], left_out, options)
    return Traces(name, place, given, left_out, _asked(prompts, options))


def _completion(reasoning: str | None, content: str, *, cut: bool) -> str:
    """One text out of what a server sends in two."""
    if not reasoning or think.has_marks(reasoning) or think.has_marks(content):
        return content
    return f"{think.OPEN}\n{reasoning}" if cut and not content.strip() else think.join(reasoning, content)


def _origin_of(model: "Chosen") -> str:
    return str(model.folder.resolve()) if model.folder else f"{model.name}@{model.revision}"


def _of_model(project: Path, name: str, options: "Options") -> Traces:
    from curation.cli.eval_models import choose
    from train.evaluation.local_model import open_model, prompt_of, say
    from train.evaluation.servers import LOCAL

    try:
        chosen = choose(project, name)
    except UsageError as error:
        raise UsageError(str(error).replace("no such folder", "no such file or folder", 1)) from None
    if not chosen.address.startswith(LOCAL):
        raise UsageError(f"{name}: a server is audited as an endpoint; name it in curate.toml, and then by its name")
    place = _place(project, chosen.name.replace("/", "--"), _origin_of(chosen), options)
    prompts = _prompts(options)
    model = open_model(chosen.address.removeprefix(LOCAL), chosen.revision)
    said: list[tuple[HeldOut, str]] = []
    for start in range(0, len(prompts), options.batch_size):
        batch = prompts[start : start + options.batch_size]
        ids = [prompt_of(model, [{"role": "user", "content": one.prompt}]) for one in batch]
        answers = say(model, ids, options.max_tokens, options.batch_size)
        said += [(one, answer.completion) for one, answer in zip(batch, answers, strict=True)]
        click.echo(f"{len(said):,} of {len(prompts):,} prompts answered by {chosen.name}", err=True)
    left_out: list[str] = []
    given = _taken(said, left_out, options)
    return Traces(chosen.name, place, given, left_out, _asked(prompts, options))
