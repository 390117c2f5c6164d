"""An adapter into its model's weights: `merge(Path("runs/first"), Path("runs/first/merged"))` is a model like any."""

import shutil
import tempfile
from pathlib import Path

from schemas.errors import TrainError
from train.card import write_card
from train.loading import add_adapter, model_at, require_adapter, tokenizer_at
from train.publish import finished, public_record
from train.record import CARD, MODEL, RECORD, put, read_config, write


def merge(run: Path, out: Path) -> None:
    """A Transformers folder of the run's model, with the adapter added to its weights, its tokenizer and the record.

    `out` is there whole or not at all. Raises TrainError where the run is not finished or trained all weights (then
    its `model` folder is such a model already), where its adapter or the model that it is for is gone or damaged, where
    `out` is there already, or where there is no room.
    """
    config = read_config(run)
    record = finished(run)
    if config.recipe.method == "full":
        raise TrainError(f"{run}: trained all weights, so there is no adapter: {run / MODEL} is the model")
    if out.exists():
        raise TrainError(f"{out}: is there already; choose another --out")
    require_adapter(run / MODEL)
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # Added up in fp32: an adapter's change of 1e-5 would be lost in bf16 before the sum is rounded once.
    place = str(run / MODEL)
    tokenizer = tokenizer_at(place, place)
    base = model_at(config.model_path, config.model, config.model_revision, dtype=torch.float32)
    merged = add_adapter(base, place, place)
    if config.recipe.precision == "bf16":
        merged = merged.to(torch.bfloat16)
    part = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        merged.save_pretrained(str(part))
        tokenizer.save_pretrained(str(part))
        put(part / CARD, write_card(record, merged=True).encode())
        write(part / RECORD, public_record(record))
        part.chmod(0o755)
        part.rename(out)
    except OSError as error:
        raise TrainError(f"{error.filename or out}: cannot be written: {error.strerror or error}") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
