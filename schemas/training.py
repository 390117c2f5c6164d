"""Training: what a run is asked to do, what is proven before its first step, and what it did.

Recipe     how weights are changed: method, rates, epochs, batch            a preset gives it, options change it
Shape      a model's sizes, enough to reckon memory and time with           a preset gives it, or the model's own config
MemoryPart what one thing takes of a GPU's memory                           a preset gives it, an estimate reckons it
Preset     a recipe for a backbone                                          train/presets/*.yaml
Proof      what the rows of a release train, counted and read back          made before the first step
RunConfig  all that a run was asked for; the same config is the same run    config.json in the run's folder
Sample     what the model says to a prompt of the test split                before and after
RunRecord  what came of it                                                  record.json in the run's folder
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from schemas.example import Branch, Frozen

Method = Literal["lora", "qlora", "full"]
Precision = Literal["bf16", "fp32"]

RECORD = "record.json"

MODEL_FILES = (
    "README.md",
    RECORD,
    "adapter_config.json",
    "adapter_model*.safetensors",
    "config.json",
    "generation_config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
"""What of a model leaves this machine, as patterns for names: weights, tokenizer, card and record, no more."""


class Recipe(Frozen):
    """How weights are changed. The defaults are R1-Act's, the best known for this method (arXiv 2508.00324, its code);
    they put loss on all that the model says itself, its stop token too, which that code leaves out."""

    model_config = ConfigDict(allow_inf_nan=False)

    method: Method = "lora"
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=16, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"), min_length=1
    )
    learning_rate: float = Field(default=1e-5, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = Field(default=5, ge=0, description="optimizer steps")
    warmup_percent: float | None = Field(
        default=None, ge=0, lt=100, description="of all steps, in the place of `warmup_steps`"
    )
    epochs: float = Field(default=15, gt=0, le=1_000)
    batch_rows: int = Field(default=8, ge=1, description="rows an optimizer step, over all devices")
    device_rows: int = Field(default=1, ge=1, description="rows at a time on one device; the others are accumulated")
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.95, ge=0, lt=1)
    weight_decay: float = Field(default=1e-4, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    max_tokens: int = Field(default=4096, ge=16, description="of a row; a longer one is refused, never cut")
    packing: bool = Field(default=False, description="short rows share a sequence of `max_tokens`; a row is never cut")
    precision: Precision = "bf16"
    gradient_checkpointing: bool = Field(default=True, description="less memory for about a third more time")

    @model_validator(mode="after")
    def _whole_batches(self) -> "Recipe":
        if self.batch_rows % self.device_rows:
            raise ValueError(f"batch_rows ({self.batch_rows}) is no multiple of device_rows ({self.device_rows})")
        return self

    def accumulated(self, devices: int) -> int:
        """Batches of `device_rows` that each device adds up to a step. Proof: they come to `batch_rows`."""
        return self.batch_rows // (self.device_rows * devices)


class Shape(Frozen):
    """A decoder-only transformer's sizes, as its config.json names them."""

    parameters: int = Field(gt=0, lt=10**15, description="all weights, counted once")
    layers: int = Field(gt=0)
    hidden: int = Field(gt=0)
    intermediate: int = Field(gt=0, description="of the feed-forward part, of one expert where there are several")
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_size: int = Field(gt=0)
    vocabulary: int = Field(gt=0)
    tied: bool = Field(default=False, description="whether the output layer shares the embeddings' weights")
    experts: int = Field(default=1, ge=1, description="feed-forward parts of a layer")
    experts_per_token: int = Field(default=1, ge=1, description="of them, that one token passes through")

    @model_validator(mode="after")
    def _enough_experts(self) -> "Shape":
        if self.experts_per_token > self.experts:
            raise ValueError(f"experts_per_token ({self.experts_per_token}) is more than experts ({self.experts})")
        return self


class MemoryPart(Frozen):
    """What one thing takes of a GPU's memory, with the arithmetic."""

    name: str
    gb: float = Field(ge=0, description="10^9 bytes of one GPU")
    how: str = Field(description="the arithmetic, in words and figures")


class Preset(Frozen):
    """A recipe for a backbone."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    about: str = Field(description="one paragraph: what it is for, and where its numbers come from")
    model: str = Field(description="Hub id, or 'embedded': the small model of this tool")
    revision: str | None = Field(default=None, description="commit or tag; None: the newest")
    gpus: int = Field(default=1, ge=0, description="that it is meant for; 0: it runs on a CPU")
    gpu: str | None = Field(default=None, description="a kind that it fits on, as train/gpus.py names it")
    recipe: Recipe
    shape: Shape
    memory: tuple[MemoryPart, ...] = Field(
        default=(), description="expected on each `gpu`, at rows of `max_tokens`; reckoned, never measured"
    )
    run_on: str = Field(default="not yet run on a GPU", description="what it was run on, with the date")


class RowLength(Frozen):
    id: str
    tokens: int


class Proof(Frozen):
    """What a run will train, counted on the very tokens that it is given; it exists only where every row was read back
    and found to be what the release says."""

    family: str = Field(description="of the chat template, as train/templates.py names it")
    stop: str = Field(description="the stop token's text, the last that is trained of every row")
    rows: int = Field(ge=1)
    rows_by_label: Mapping[str, int]
    tokens: int = Field(description="of all rows, once")
    trained_tokens: int
    masked_tokens: int = Field(description="the prompts'")
    trained_by_label: Mapping[str, int] = Field(description="trained tokens by label: what each weighs in the loss")
    longest: RowLength
    epochs: float
    steps: int = Field(ge=1, description="optimizer steps")
    tokens_a_step: float = Field(description="on average, prompts included")
    normalized: int = Field(
        default=0, ge=0, description="rows with letters that the tokenizer writes in Unicode's form NFC instead"
    )


class RunConfig(Frozen):
    """All that a run was asked for."""

    name: str
    preset: str
    model: str = Field(description="as it was asked for: a Hub id, a folder, 'embedded'")
    model_path: str = Field(description="where its files are on this machine, or its Hub id")
    model_revision: str | None = None
    release: str = Field(description="as it was asked for: a folder, or org/name@revision")
    release_sha256: str = Field(description="the hash of the release's rows, whatever files they are in")
    structure: str = Field(description="of the rows that are trained")
    derived_from: str | None = Field(
        default=None,
        description="the release's own structure, where the rows were made from it by rule: nobody reviewed them so",
    )
    recipe: Recipe
    system: tuple[str, ...] = Field(default=(), description="system prompts, dealt out over the rows; none: no system")
    seed: int = Field(default=0, ge=0, lt=2**32)
    threads: int | None = Field(default=None, ge=1, description="of torch on a CPU; None: torch's own choice")
    checkpoints: int = Field(default=5, ge=1, description="saved over the whole run, the last kept to go on from")
    sample_prompts: int = Field(default=16, ge=0, description="of the test split, answered before and after")
    sample_tokens: int = Field(default=256, ge=1, description="most new tokens of an answer")
    report_to: tuple[str, ...] = Field(default=(), description="tensorboard, trackio, wandb")

    def unlike(self, other: "RunConfig") -> list[str]:
        """Names of what the two ask for differently. The folder's name is left aside, and by which name or in which
        place release and model were found: the release goes by its hash."""
        ours, theirs = (
            one.model_dump(exclude={"name", "release", "model_path", "recipe"}) | one.recipe.model_dump()
            for one in (self, other)
        )
        return [name for name in ours if ours[name] != theirs[name]]


class Sample(Frozen):
    """What the model said to a prompt of the test split, greedily."""

    id: str
    label: Branch
    prompt: str
    before: str
    after: str


class RunRecord(Frozen):
    """What came of a run: record.json. Nothing in it names a person, a key or an address."""

    config: RunConfig
    proof: Proof
    versions: Mapping[str, str] = Field(description="of Python and the libraries that shape the result")
    git: str | None = Field(default=None, description="commit of the working folder, '+' where it has changes")
    device: str
    processes: int = Field(ge=1)
    seconds: float = Field(description="of training, checkpoints included; of the last stretch where it was resumed")
    seconds_to_first_step: float
    steps: int
    resumed_at: tuple[int, ...] = Field(default=(), description="steps that it went on from after it had been stopped")
    tokens_per_second: float = Field(description="tokens of rows, prompts included, over `seconds`")
    peak_memory_bytes: int = Field(description="of the process on a CPU, of the device on a GPU")
    first_loss: float
    final_loss: float
    weights_sha256: str = Field(description="of the trained tensors by name, dtype, shape and bytes")
    times_a_row: tuple[int, int] = Field(
        description="how often a row reached the model, the fewest and the most; of the last stretch where it resumed"
    )
    trained_ids: tuple[str, ...] = Field(description="rows")
    trained_families: tuple[str, ...] = Field(description="of their prompts: what an evaluation must not ask")
    trained_sources: tuple[str, ...]
