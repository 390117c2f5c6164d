"""What of a run goes to others: weights, tokenizer, card and record, and nothing of this machine.

    prepare(Path("runs/first"), None, Path("/tmp/made"), "org/model")      {"README.md": Path(…), …}

PEFT and Transformers write down where they found the base model; whoever loads the adapter elsewhere needs its name on
the Hub there. What is sent is a list of names (schemas.training.MODEL_FILES), and each text of it is searched for
folders of this machine before anything is sent.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from schemas.errors import TrainError
from schemas.markdown import public_name
from schemas.training import MODEL_FILES, RunConfig, RunRecord
from train.card import base_of, last_name, release_of, write_card
from train.loading import ADAPTER, CONFIG
from train.record import CARD, MODEL, RECORD, put, read_record, write
from train.results import results_of

_OF_A_LOAD = ("_name_or_path", "name_or_path", "is_local", "local_files_only")
"""Keys in which Transformers notes where and how it found what it saves."""

_VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json", "merges.txt")
"""Their strings are tokens, some of which look like paths."""

_MOST_SHOWN = 80


def public_record(record: RunRecord) -> RunRecord:
    """The record without folders and servers: of each name what the card tells of it."""
    config = record.config
    base, is_on_hub = base_of(config)
    release, revision = release_of(config)
    public = config.model_copy(
        update={
            "name": last_name(config.name),
            "preset": last_name(config.preset),
            "model": config.model if is_on_hub else base,
            "model_path": base,
            "release": f"{release}@{revision}" if revision else release,
        }
    )
    sources = tuple(public_name(source) for source in record.trained_sources)
    return record.model_copy(update={"config": public, "trained_sources": sources})


def finished(run: Path) -> RunRecord:
    """Raises TrainError where the run is not finished, or is none."""
    record = read_record(run)
    if record is None:
        raise TrainError(f"{run}: is no finished run; go on with one by --resume")
    return record


def prepare(
    run: Path,
    merged: Path | None,
    out: Path,
    repo: str,
    *,
    base_license: str | None = None,
    gated: bool = False,
    derived_from: str | None = None,
) -> dict[str, Path]:
    """The files to push by their names: those that change are written into `out`, the others stay where they are.

    `merged`: the folder that `curate train merge` made of this run; None: the run's own model. `repo` and the rest: as
    write_card takes them. Raises TrainError: the run is not finished; `merged` is another run's; an adapter's base is a
    folder that nobody else has; a file is not there, or names a folder of this machine.
    """
    record = finished(run)
    folder = merged or run / MODEL
    if merged:
        _require_of(record, run, merged)
    adapter = record.config.recipe.method != "full" and not merged
    if adapter and not base_of(record.config)[1]:
        raise TrainError(
            f"{run}: its adapter is for a model in a folder of this machine, which nobody else has: push the whole "
            "weights, by `curate train merge` and --merged"
        )
    try:
        names = sorted(path.name for path in folder.iterdir() if any(fnmatch(path.name, one) for one in MODEL_FILES))
        files = {name: folder / name for name in names if name not in (CARD, RECORD)}
        weights = "adapter_model*.safetensors" if adapter else "model*.safetensors"
        if not any(fnmatch(name, weights) for name in files):
            raise TrainError(f"{folder}: holds no {weights}; is it the model of that run?")
        for name in (CONFIG, "tokenizer_config.json", ADAPTER):
            if name in files and (cleaned := _cleaned(files[name], record.config)) is not None:
                put(out / name, cleaned)
                files[name] = out / name
        card = write_card(
            record,
            results_of(run),
            base_license,
            repo=repo,
            merged=merged is not None,
            gated=gated,
            derived_from=derived_from,
        )
        put(out / CARD, card.encode())
        write(out / RECORD, public_record(record))
        files |= {CARD: out / CARD, RECORD: out / RECORD}
        places = _places(run, folder, record.config)
        for name, path in files.items():
            if found := next(_machine_paths(name, path, places), None):
                raise TrainError(
                    f"{run}: {name}, as others would get it, names a folder of this machine, {found[:_MOST_SHOWN]!r}; "
                    "nothing was sent: take it out of there"
                )
    except OSError as error:
        raise TrainError(f"{error.filename or folder}: {error.strerror or error}") from None
    except ValueError:
        raise TrainError(f"{folder}: a JSON file there cannot be read; train the run again") from None
    return files


def _require_of(record: RunRecord, run: Path, merged: Path) -> None:
    if record.config.recipe.method == "full":
        raise TrainError(f"{run}: trained all weights, so that there is nothing merged: push it without --merged")
    if not merged.is_dir():
        raise TrainError(f"{merged}: is not there; `curate train merge {run}` makes it")
    made = read_record(merged)
    if made is None or made.weights_sha256 != record.weights_sha256:
        raise TrainError(f"{merged}: is not what `curate train merge {run}` makes; push what that run's merge made")


def _cleaned(path: Path, config: RunConfig) -> bytes | None:
    """A file without where its writer found things; None: it is as it should be."""
    value: dict[str, Any] = json.loads(path.read_bytes())
    clean = {name: one for name, one in value.items() if name not in _OF_A_LOAD}
    if path.name == ADAPTER:
        clean |= {"base_model_name_or_path": base_of(config)[0], "revision": config.model_revision}
    return None if clean == value else (json.dumps(clean, indent=2, ensure_ascii=False) + "\n").encode()


def _places(run: Path, folder: Path, config: RunConfig) -> list[str]:
    """Folders of this machine that a text may name."""
    exact = [run.absolute(), run.resolve(), folder.absolute(), folder.resolve(), Path(config.model_path)]
    # What is in these; their own names may be words of a text, such as /root and /data.
    inside = [Path.cwd(), Path.home()]
    return [str(path) for path in exact if path.is_absolute() and len(path.parts) > 1] + [
        f"{path}/" for path in inside if len(path.parts) > 1
    ]


def _machine_paths(name: str, path: Path, places: Sequence[str]) -> Iterator[str]:
    """What of a file is a folder's name on this machine."""
    if name.endswith(".safetensors"):
        with path.open("rb") as file:  # eight bytes of length, then JSON that tells of the tensors
            text = file.read(int.from_bytes(file.read(8), "little")).decode("utf-8", "replace")
    else:
        text = path.read_bytes().decode("utf-8", "replace")
    yield from (place for place in places if place in text)
    if name.endswith(".json") and name not in _VOCABULARIES:
        for one in _strings(json.loads(text)):
            absolute = one.startswith("/") and len(PurePosixPath(one).parts) > 2
            if absolute or re.match(r"~/|file:|[A-Za-z]:[\\/](?!/)", one):
                yield one


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (name, *_strings(one))
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
