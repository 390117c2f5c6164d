"""One training run, on TRL's SFTTrainer: from a run's folder with a config and rows in it to a model and a record.

    record = run(Path("runs/first"))                 the rest of a run that was stopped, where there is a checkpoint
    python -m train.sft runs/first                   the same as a process of its own, as `accelerate launch` starts it

Tokens and labels are ours (train/templates.py), proven before the first step (train/proof.py); batching, the loss, the
optimizer and checkpoints are TRL's and Transformers'.
"""

import errno
import hashlib
import logging
import math
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import CurateError, TrainError
from schemas.markdown import visible
from schemas.release import SftRow
from schemas.training import Proof, RunConfig, RunRecord, Sample
from train.answering import answer
from train.card import write_card
from train.curve import write_curve
from train.device import choose_attention, choose_kernels, find_device
from train.loading import load_model, load_stops, load_tokenizer
from train.loss import trainer_kind
from train.progress import Log, Say
from train.proof import lines_of, prove
from train.record import (
    CARD,
    CHECKPOINTS,
    LOG,
    MODEL,
    PROOF,
    RECORD,
    ROWS,
    TEST,
    drop_broken_checkpoints,
    last_checkpoint,
    put,
    read_config,
    read_rows,
    read_samples,
    write,
    write_samples,
)
from train.seen import Seen, fill_up
from train.templates import Encoded, Form, deal, encode_rows, form_of, prompt_ids
from train.versions import versions_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LIBRARIES = ("alttrain", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_LEAST_ROOM = 1_000_000
"""Bytes. What fills a disk leaves less of it."""


def run(folder: Path, say: Say = print, started: float | None = None) -> RunRecord:
    """Trains what the run's folder asks for, from its last whole checkpoint where it has one; gives the record.

    `say`: takes lines for people. `started`: when the command began, by time.perf_counter(). Raises TrainError where
    the model, the rows or the device cannot do it, or the disk is full.
    """
    try:
        return _run(folder, say, time.perf_counter() if started is None else started)
    except Exception as error:
        if not _is_full_disk(error, folder):
            raise
        raise TrainError(
            f"{folder}: the disk is full; what was written whole stands: make room, and go on with --resume from the "
            "last whole checkpoint"
        ) from None


def _run(folder: Path, say: Say, started: float) -> RunRecord:
    config = read_config(folder)
    rows, tests = read_rows(folder / ROWS), read_rows(folder / TEST)
    _set_up(config)
    tokenizer, model, form = _load(config, say)
    encoded = encode_rows(tokenizer, rows, form, config.system)
    proof = prove(tokenizer, form, rows, encoded, config.recipe, _processes())
    if _is_main():
        write(folder / PROOF, proof)
        for line in lines_of(proof):
            say(visible(line))
        drop_broken_checkpoints(folder)
    asked = tests[: config.sample_prompts]
    if config.recipe.method == "full":
        before = _kept_answers(folder, asked) or _answers(model, tokenizer, form, config, asked)
        if _is_main() and any(before):
            write_samples(folder, _samples(asked, before, [""] * len(asked)))
    trainer, seen = _trainer(folder, config, proof, encoded, model, tokenizer)
    log = Log(folder / LOG, folder / CHECKPOINTS, proof, started, say if _is_main() else _nothing, writes=_is_main())
    trainer.add_callback(log.callback())
    checkpoint = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    times_a_row = seen.times_a_row([row.id for row in rows])
    trainer.save_model(str(folder / MODEL))
    if _is_main():
        tokenizer.save_pretrained(str(folder / MODEL))
        write_curve(log.points, folder, rows=len(rows))
    _state().wait_for_everyone()  # one of them has written the weights that all of them hash
    after = _answers(trainer.model, tokenizer, form, config, asked)
    if config.recipe.method != "full":
        # Without its adapter it is the model that it was: nobody waits for these answers before the first step.
        with trainer.model.disable_adapter():
            before = _answers(trainer.model, tokenizer, form, config, asked)
    record = RunRecord(
        config=config,
        proof=proof,
        versions=versions_of(LIBRARIES),
        git=_git(),
        device=find_device().name,
        processes=_processes(),
        seconds=log.seconds,
        seconds_to_first_step=log.seconds_to_first_step,
        steps=log.points[-1].step,
        resumed_at=log.resumed_at,
        tokens_per_second=log.tokens / log.seconds,
        peak_memory_bytes=_peak_memory(),
        first_loss=log.points[0].loss,
        final_loss=log.points[-1].loss,
        weights_sha256=_weights_sha256(folder / MODEL),
        times_a_row=times_a_row,
        trained_ids=tuple(row.id for row in rows),
        trained_families=tuple(sorted({row.family for row in rows})),
        trained_sources=tuple(sorted({row.source for row in rows})),
    )
    if _is_main():
        write_samples(folder, _samples(asked, before, after))
        # In the place of PEFT's, a form to fill in that names a folder of this machine.
        put(folder / MODEL / CARD, write_card(record).encode())
        write(folder / RECORD, record)
    return record


def _set_up(config: RunConfig) -> None:
    import torch
    from transformers import set_seed
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    logging.getLogger("transformers.trainer_utils").addFilter(_asks_for_something)
    if config.threads:
        torch.set_num_threads(config.threads)
    set_seed(config.seed)


def _asks_for_something(record: logging.LogRecord) -> bool:
    """Not so two lines of Transformers: that it took the tokenizer's special tokens into the model's config, as it
    should (the proof has found its stop token right), and that checkpoints of one second are told apart by number."""
    return not record.getMessage().startswith(("The tokenizer has new PAD/BOS/EOS tokens", "mtime may not be reliable"))


def _load(config: RunConfig, say: Say) -> tuple["PreTrainedTokenizerBase", "PreTrainedModel", Form]:
    import torch

    tokenizer = load_tokenizer(config)
    form = form_of(tokenizer, config.model, load_stops(config))
    recipe = config.recipe
    device = find_device()
    attention = choose_attention(device)
    if _is_main():
        say(f"device: {device.name}; {attention.why}")
    # All weights are trained in fp32 and reckoned with in bf16: a step of 1e-5 is lost in bf16's eight bits.
    frozen = recipe.method != "full" and recipe.precision == "bf16"
    settings: dict[str, Any] = {
        "attn_implementation": attention.implementation,
        "dtype": torch.bfloat16 if frozen else torch.float32,
    }
    if choose_kernels(device):
        settings["use_kernels"] = True
    if recipe.method == "qlora":
        from transformers import BitsAndBytesConfig

        settings["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if recipe.precision == "bf16" else torch.float32,
            bnb_4bit_quant_storage=torch.bfloat16,  # FSDP shards one dtype only
        )
    return tokenizer, load_model(config, **settings), form


def _trainer(
    folder: Path,
    config: RunConfig,
    proof: Proof,
    encoded: Sequence[Encoded],
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
) -> tuple[Any, Seen]:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig

    recipe = config.recipe
    columns = [{"input_ids": row.input_ids, "labels": row.labels} for row in encoded]
    on_cpu = find_device().kind == "cpu"
    arguments = SFTConfig(
        output_dir=str(folder / CHECKPOINTS),
        per_device_train_batch_size=recipe.device_rows,
        gradient_accumulation_steps=recipe.accumulated(_processes()),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_steps if recipe.warmup_percent is None else recipe.warmup_percent / 100,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.precision == "bf16",
        activation_checkpointing=recipe.gradient_checkpointing,
        # Nothing is longer: the proof has refused it. So nothing is cut, and packs are at most so long.
        max_length=recipe.max_tokens if recipe.packing else None,
        packing=recipe.packing,
        packing_strategy="bfd",
        seed=config.seed,
        data_seed=config.seed,
        save_strategy="steps",
        save_steps=max(1, math.ceil(proof.steps / config.checkpoints)),
        save_total_limit=2,
        logging_steps=1,
        logging_first_step=True,
        report_to=list(config.report_to) or "none",
        run_name=config.name,
        disable_tqdm=True,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        # oneDNN keeps what it made for every length it has met, and freed pieces of all sizes fill no new ones: without
        # it a run on a CPU grew from 1.9 to 5 GB. Padding is masked, and the same loss comes of it.
        pad_to_multiple_of=32 if on_cpu else None,
    )
    if not on_cpu:
        arguments._n_gpu = 1  # one process that sees several GPUs would give each of them as many rows: other steps
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    with warnings.catch_warnings():
        # PEFT asks Transformers by a name that is to go; nobody who trains can change that.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        trainer = trainer_kind()(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(columns),
            processing_class=tokenizer,
            peft_config=_adapter(config) if recipe.method != "full" else None,
        )
    trainer.remove_callback(PrinterCallback)  # our log tells people of the same steps
    # After TRL's own preparation, which drops rows that train nothing.
    if _processes() > 1:
        trainer.train_dataset = fill_up(trainer.train_dataset, recipe.device_rows * _processes())
    seen = Seen(trainer.data_collator, encoded)
    trainer.data_collator = seen
    return trainer, seen


def _adapter(config: RunConfig) -> Any:
    from peft import LoraConfig

    recipe = config.recipe
    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=list(recipe.lora_targets),
        task_type="CAUSAL_LM",
    )


def _is_full_disk(error: Exception, folder: Path) -> bool:
    """safetensors passes the system's word on as text of its own; torch loses it and tells of a place in its file, so
    then the disk is asked."""
    if (isinstance(error, OSError) and error.errno in _NO_ROOM) or "No space left on device" in str(error):
        return True
    return isinstance(error, RuntimeError) and not _has_room(folder / CHECKPOINTS)


def _has_room(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LEAST_ROOM))
    except OSError as error:
        return error.errno not in _NO_ROOM
    return True


def _answers(
    model: Any, tokenizer: "PreTrainedTokenizerBase", form: Form, config: RunConfig, rows: Sequence[SftRow]
) -> list[str]:
    """What the model says to the rows' prompts; nothing where there are several processes: weights may be in parts."""
    if _processes() > 1 or not rows:
        return [""] * len(rows)
    ids = [prompt_ids(tokenizer, row, form, deal(config.system, row.id)) for row in rows]
    said = answer(model, tokenizer, ids, [form.stop_id], config.sample_tokens, batch_size=16)
    return [one.text for one in said]


def _kept_answers(folder: Path, rows: Sequence[SftRow]) -> list[str]:
    """Those before training, where a run that was stopped has left them for all of the rows."""
    told = {one.id: one.before for one in read_samples(folder).values()}
    return [told[row.id] for row in rows] if told.keys() >= {row.id for row in rows} else []


def _samples(rows: Sequence[SftRow], before: Sequence[str], after: Sequence[str]) -> list[Sample]:
    return [
        Sample(id=row.id, label=row.label, prompt=row.instruction, before=first, after=then)
        for row, first, then in zip(rows, before, after, strict=True)
    ]


def _processes() -> int:
    return int(_state().num_processes)


def _is_main() -> bool:
    return bool(_state().is_main_process)


def _state() -> Any:
    """What this process knows of the others; on a CPU it has to be told that it is on one to know of any."""
    from accelerate import PartialState

    return PartialState(cpu=find_device().kind == "cpu")


def _nothing(line: str) -> None:
    pass


def _git() -> str | None:
    """The commit of the folder that the command was run in."""

    def ask(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, S607

    try:
        return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _peak_memory() -> int:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _weights_sha256(folder: Path) -> str:
    import torch
    from safetensors import safe_open

    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), "pt") as file:
            for name in sorted(file.keys()):
                tensor = file.get_tensor(name).contiguous()
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """`python -m train.sft RUN_FOLDER`."""
    try:
        run(Path(arguments[0]), say=_print_from_main())
    except CurateError as error:
        print(f"train: {visible(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _print_from_main() -> Callable[[str], None]:
    return (lambda line: print(line, flush=True)) if _is_main() else _nothing  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
