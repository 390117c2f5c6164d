"""An adapter into its model's weights: `merge(Path("runs/first"), Path("runs/first/merged"))` is a model like any."""

import shutil
import tempfile
import warnings
from pathlib import Path

from schemas.errors import TrainError
from train.card import write_card
from train.loading import load_model
from train.publish import finished, public_record
from train.record import CARD, MODEL, RECORD, put, read_config, write


def merge(run: Path, out: Path) -> None:
    """A Transformers folder of the run's model, with the adapter added to its weights, its tokenizer and the record.

    `out` is there whole or not at all. Raises TrainError where the run is not finished or trained all weights (then
    its `model` folder is such a model already), where `out` is there already, or where there is no room.
    """
    config = read_config(run)
    record = finished(run)
    if config.recipe.method == "full":
        raise TrainError(f"{run}: trained all weights, so there is no adapter: {run / MODEL} is the model")
    if out.exists():
        raise TrainError(f"{out}: is there already; choose another --out")
    import torch
    from peft import PeftModel
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # Added up in fp32: an adapter's change of 1e-5 would be lost in bf16 before the sum is rounded once.
    base = load_model(config, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers for what is to be renamed
        merged = PeftModel.from_pretrained(base, str(run / MODEL)).merge_and_unload()
    if config.recipe.precision == "bf16":
        merged = merged.to(torch.bfloat16)
    part = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        merged.save_pretrained(str(part))
        AutoTokenizer.from_pretrained(str(run / MODEL)).save_pretrained(str(part))
        put(part / CARD, write_card(record, merged=True).encode())
        write(part / RECORD, public_record(record))
        part.chmod(0o755)
        part.rename(out)
    except OSError as error:
        raise TrainError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
