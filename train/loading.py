"""The model and the tokenizer that are asked for, whole and as their files say, or one line that says why not.

    tokenizer, model = load_tokenizer(config), load_model(config, dtype=torch.float32)          what a run trains
    model_at("org/model", "org/model", "main")                                                  what is evaluated

A model is a stranger's folder. No code of it is run; weights that it lacks are refused, where Transformers would train
random ones in their place; and what its damaged or odd files raise, each library behind this in errors of its own, is
told in one line.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import TrainError
from schemas.training import RunConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADAPTER = "adapter_config.json"
CONFIG = "config.json"

_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_NAMED = 3
"""Weights that one message names."""
_OTHER_HEADS = ("ForMaskedLM", "ForPreTraining", "ForSequenceClassification", "ForTokenClassification")
"""Ends of `architectures` in config.json of models that were not trained to write on, though Transformers would give
them a head that does."""


def load_tokenizer(config: RunConfig) -> "PreTrainedTokenizerBase":
    """Raises TrainError where there is none."""
    return tokenizer_at(config.model_path, config.model, config.model_revision)


def load_stops(config: RunConfig) -> tuple[int, ...]:
    """Ids at which inference stops beside the tokenizer's own, as the model's generation config has them; none where
    the model has no such file. Raises TrainError where it holds something else."""
    from transformers import GenerationConfig

    with _one_line(config.model, "its generation_config.json cannot be read"):
        try:
            found = GenerationConfig.from_pretrained(config.model_path, revision=config.model_revision)
        except OSError:
            return ()
    return stops_of(found.eos_token_id, config.model)


def stops_of(eos_token_id: object, name: str) -> tuple[int, ...]:
    """The ids of a generation config's `eos_token_id`: a number, several, or none. Raises TrainError for any other."""
    stops = eos_token_id if isinstance(eos_token_id, list | tuple) else [] if eos_token_id is None else [eos_token_id]
    if not all(isinstance(stop, int) for stop in stops):
        raise TrainError(
            f"model {name}: eos_token_id in its generation_config.json is {str(eos_token_id)[:80]!r}; token ids are "
            "needed there, or none"
        )
    return tuple(stops)


def load_model(config: RunConfig, **settings: Any) -> "PreTrainedModel":
    """`settings`: as Transformers' from_pretrained takes them. Raises TrainError as model_at does, and where the model
    lacks what the recipe would have trained."""
    model = model_at(config.model_path, config.model, config.model_revision, **settings)
    if config.recipe.method != "full":
        _require_targets(model, config.model, config.recipe.lora_targets)
    return model


def tokenizer_at(place: str, name: str, revision: str | None = None) -> "PreTrainedTokenizerBase":
    """The tokenizer of a folder or a Hub id, `place`; messages call it `name`. Raises TrainError where there is none
    that can be loaded."""
    from transformers import AutoTokenizer

    require_there(place, name)
    with _one_line(name, "its tokenizer cannot be loaded"):
        # None, the default, would ask at the terminal whether to run code that lies beside the tokenizer.
        return AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=False)


def model_at(place: str, name: str, revision: str | None = None, **settings: Any) -> "PreTrainedModel":
    """The model of a folder or a Hub id, `place`; messages call it `name`.

    Raises TrainError where it cannot be loaded, has no weights for a part of itself or weights of other sizes, or is
    no model that writes on.
    """
    from transformers import AutoModelForCausalLM

    require_there(place, name)
    with _one_line(name, "cannot be loaded"), _without_report_of_random_weights():
        model, found = AutoModelForCausalLM.from_pretrained(
            place,
            revision=revision,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
            **settings,
        )
    _require_weights(name, "lack", sorted(found["missing_keys"]))
    _require_weights(name, "hold in other sizes than its config", sorted(one[0] for one in found["mismatched_keys"]))
    kinds = model.config.architectures
    if isinstance(kinds, list) and kinds and all(str(kind).endswith(_OTHER_HEADS) for kind in kinds):
        raise TrainError(f"model {name}: is a {kinds[0]}, which does not write on from a prompt; take a causal one")
    return model


def add_adapter(base: "PreTrainedModel", place: str, name: str, revision: str | None = None) -> "PreTrainedModel":
    """`base`, with the adapter of a folder or a Hub id, `place`, added to its weights. Raises TrainError where there is
    no adapter there that is whole and of this model."""
    from peft import PeftModel

    if Path(place).is_dir():
        require_adapter(Path(place))
    with _one_line(name, "its adapter cannot be loaded"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers for what is to be renamed
        # PEFT would only warn, and leave those of the adapter's weights as they are before any training.
        warnings.filterwarnings("error", "Found missing adapter keys")
        return PeftModel.from_pretrained(base, place, revision=revision).merge_and_unload()


def require_adapter(folder: Path) -> None:
    """Raises TrainError where a file of the folder's adapter is not there."""
    for names in ((ADAPTER,), _ADAPTER_WEIGHTS):
        if not any((folder / name).is_file() for name in names):
            raise TrainError(f"{folder}: holds no {names[0]}, so no adapter; bring it back, or train the run again")


def is_adapter(place: str, name: str, revision: str | None = None) -> bool:
    """Whether a folder or a Hub id holds an adapter, no model of its own. Raises TrainError where nobody can tell."""
    if Path(place).exists():
        return (Path(place) / ADAPTER).exists()
    from huggingface_hub import file_exists

    with _one_line(name, "cannot be loaded"):
        return file_exists(place, ADAPTER, revision=revision)


def base_of_adapter(place: str, name: str, revision: str | None = None) -> str:
    """The folder or Hub id of the model that an adapter is for. Raises TrainError where its config does not say."""
    from peft import PeftConfig

    with _one_line(name, f"its {ADAPTER} cannot be read"):
        base = PeftConfig.from_pretrained(place, revision=revision).base_model_name_or_path
    if not isinstance(base, str) or not base:
        raise TrainError(f"model {name}: base_model_name_or_path in its {ADAPTER} does not name a model")
    return base


@contextlib.contextmanager
def _one_line(name: str, what: str) -> Iterator[None]:
    """Whatever is raised inside as a TrainError of one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # What a stranger's file raises is anything: KeyError, ZeroDivisionError, safetensors' and tokenizers' own.
        said = " ".join(str(error).split())[:300]
        if "trust_remote_code" in str(error):
            said = "it comes with code of its own, and such models are not loaded; take one that Transformers knows"
        elif not isinstance(error, OSError | ValueError | ImportError):
            said = f"{type(error).__name__}: {said}; if its files are damaged, fetch them again, or take another model"
        raise TrainError(f"model {name}: {what}: {said}") from error


@contextlib.contextmanager
def _without_report_of_random_weights() -> Iterator[None]:
    """Not the table that Transformers prints of weights that it made up: they are refused, in one line."""

    def is_other(record: logging.LogRecord) -> bool:
        said = record.getMessage()
        return not ("LOAD REPORT" in said and ("MISSING" in said or "MISMATCH" in said))

    logger = logging.getLogger("transformers.modeling_utils")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def require_there(place: str, name: str) -> None:
    """Raises TrainError where `place`, a folder or a Hub id, is a folder that is gone, which would be asked for on the
    Hub, or one that holds no model."""
    folder = Path(place)
    if (folder.is_absolute() or place.startswith((".", "~")) or place.count("/") > 1) and not folder.exists():
        raise TrainError(f"model {name}: its folder {place} is not there; bring it back, or take another model")
    if folder.is_dir() and not any((folder / file).exists() for file in (CONFIG, ADAPTER)):
        raise TrainError(f"model {name}: the folder {place} holds no model, which has a {CONFIG} or an {ADAPTER}")


def _require_weights(name: str, how: str, faulty: Sequence[str]) -> None:
    if faulty:
        more = f" and {len(faulty) - _NAMED} more" if len(faulty) > _NAMED else ""
        raise TrainError(
            f"model {name}: its files {how} {len(faulty)} of its weights, which would be random: "
            f"{', '.join(faulty[:_NAMED])}{more}; fetch its files again, or take another model"
        )


def _require_targets(model: "PreTrainedModel", name: str, targets: Sequence[str]) -> None:
    """Raises TrainError where the model has no layer of one of the names, or one to which LoRA adds nothing. PEFT says
    nothing where it has some of them, and would train less than was asked for."""
    import torch
    from torch.nn.modules.conv import _ConvNd
    from transformers.pytorch_utils import Conv1D

    def adaptable(layer: torch.nn.Module) -> bool:
        return isinstance(layer, torch.nn.Embedding | _ConvNd | Conv1D) or hasattr(layer, "in_features")

    layers = dict(model.named_modules())
    has = sorted({path.rpartition(".")[2] for path, layer in layers.items() if hasattr(layer, "in_features")})
    for target in targets:
        found = [layer for path, layer in layers.items() if path == target or path.endswith(f".{target}")]
        if not found or not all(map(adaptable, found)):
            raise TrainError(
                f"model {name}: has no layer {target!r} that LoRA can change, as lora_targets asks; it has "
                f"{', '.join(has)}"
            )
