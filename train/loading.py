"""The model and the tokenizer that a run asks for, or one line that says why they cannot be had."""

from typing import TYPE_CHECKING, Any

from schemas.errors import TrainError
from schemas.training import RunConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(config: RunConfig) -> "PreTrainedTokenizerBase":
    """Raises TrainError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(config.model_path, revision=config.model_revision)
    except (OSError, ValueError) as error:
        raise TrainError(f"model {config.model}: no tokenizer that can be loaded: {_line(error)}") from None


def load_stops(config: RunConfig) -> tuple[int, ...]:
    """Ids at which inference stops beside the tokenizer's own, as the model's generation config has them; none where
    the model has no such file."""
    from transformers import GenerationConfig

    try:
        stops = GenerationConfig.from_pretrained(config.model_path, revision=config.model_revision).eos_token_id
    except OSError:
        return ()
    return (stops,) if isinstance(stops, int) else tuple(stops or ())


def load_model(config: RunConfig, **settings: Any) -> "PreTrainedModel":
    """`settings`: as Transformers' from_pretrained takes them. Raises TrainError where the model cannot be loaded."""
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(config.model_path, revision=config.model_revision, **settings)
    except (OSError, ValueError) as error:
        raise TrainError(f"model {config.model}: cannot be loaded: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
