"""The small model of this tool as something that can be trained: its GGUF file turned into a Transformers folder.

    from_gguf(cache / "SmolLM2-135M-Instruct.Q4_1.gguf", cache / "students")
    cache/students/SmolLM2-135M-Instruct.Q4_1-b179c9523d0e-1     config, weights (bf16), tokenizer, chat template

Weights are kept as bf16, 269 MB: on 7,561 tokens of the packaged examples this rounding moves the next token's
distribution by 1e-4 nats (99.7 % the same first choice), little beside what 4 bits cost before, and bf16 computes
twice as fast as fp32 on a CPU that has it; as a whole 3.951 nats a token instead of 3.953.

Transformers reads such a file's tokenizer without its pre-tokenizer: 101 of 1,085 texts came out as other tokens than
llama.cpp makes of them, wherever punctuation, blanks and digits meet. With the right one none did.
"""

import contextlib
import hashlib
import importlib.util
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import TrainError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedTokenizerBase

FORM = 1
"""Raised with every change to what is written, so that older folders are not taken for new ones."""

_CONTROL = 3
"""The type of a control token in a GGUF vocabulary (llama.cpp, LLAMA_TOKEN_TYPE_CONTROL)."""


def from_gguf(gguf: Path, folder: Path) -> Path:
    """The model of a GGUF file as a Transformers folder inside `folder`; made once, and anew only for another file.

    The name ends in the file's SHA-256, and the folder is put in place in one step: what is there is whole, and two
    processes at once do not disturb each other. Raises TrainError where the `gguf` package is missing, the file is not
    one whose tokenizer is known here, or there is no room.
    """
    try:
        with gguf.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        made = folder / f"{gguf.stem}-{digest[:12]}-{FORM}"
        if made.is_dir():
            return made
        folder.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder, prefix=".making-"))
        try:
            _write(gguf, part)
            part.chmod(0o755)
            _put_in_place(part, made)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise TrainError(
            f"{gguf.name}: cannot be turned into a model folder in {folder}: {error.strerror or error}"
        ) from None
    return made


def _put_in_place(part: Path, made: Path) -> None:
    try:
        part.rename(made)
    except OSError:
        if not made.is_dir():
            raise
        # Another process was faster; what it made is the same.


def _write(gguf: Path, folder: Path) -> None:
    if importlib.util.find_spec("gguf") is None:
        raise TrainError(
            f"{gguf.name}: the package that reads GGUF files is not installed: pip install 'alttrain[train]'"
        )
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        reader = GGUFReader(str(gguf))
    except ValueError as error:
        raise TrainError(f"{gguf.name} is no GGUF file: {error}") from None
    splitter = _splitter(gguf.name, reader)
    # Both readers draw progress bars on standard error that cannot be turned off.
    with contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name, trust_remote_code=False)
        quantized = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            trust_remote_code=False,
            dtype=torch.float32,
            # Where a kernel for packed weights is at hand, they would stay packed.
            quantization_config=GgufConfig(dequantize=True),
        )
    tokenizer.backend_tokenizer.pre_tokenizer = splitter
    tokenizer.model_max_length = quantized.config.max_position_embeddings
    _require_same_vocabulary(gguf.name, reader, tokenizer)

    # A model that came out of a GGUF file refuses to be saved; the same weights under a plain config do not.
    plain = quantized.config.to_dict()
    plain.pop("quantization_config", None)
    config = type(quantized.config).from_dict(plain)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantized.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _splitter(name: str, reader: "GGUFReader") -> "PreTokenizer":
    """How text is split before it is merged into tokens: the file names it, and Transformers does not look."""
    from tokenizers import pre_tokenizers

    known = {
        # llama.cpp: every digit alone, then GPT-2's pattern.
        "smollm": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
    }
    named = _field(reader, "tokenizer.ggml.pre")
    if named not in known:
        raise TrainError(
            f"{name}: its text is split as {named!r}, which is not checked here (known: {', '.join(known)}); "
            "train the model's own Transformers folder instead"
        )
    return known[named]


def _require_same_vocabulary(name: str, reader: "GGUFReader", tokenizer: "PreTrainedTokenizerBase") -> None:
    tokens: list[str] = _field(reader, "tokenizer.ggml.tokens")
    types: list[int] = _field(reader, "tokenizer.ggml.token_type")
    control = {token for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL}
    pairs = {
        "tokens": (tokens, tokenizer.convert_ids_to_tokens(list(range(len(tokens))))),
        "control tokens": (control, {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}),
        "stop token": (_field(reader, "tokenizer.ggml.eos_token_id"), tokenizer.eos_token_id),
        "padding": (_field(reader, "tokenizer.ggml.padding_token_id"), tokenizer.pad_token_id),
        "chat template": (_field(reader, "tokenizer.chat_template"), tokenizer.chat_template),
    }
    wrong = [what for what, (ours, theirs) in pairs.items() if ours != theirs]
    if wrong or len(tokens) != len(tokenizer):
        raise TrainError(f"{name}: its tokenizer could not be read as it is: {', '.join(wrong) or 'size'}")


def _field(reader: "GGUFReader", key: str) -> Any:
    field = reader.get_field(key)
    return field.contents() if field else None
