"""A GGUF file becomes a plain model folder: the same weights, and a tokenizer that does what llama.cpp's does."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from curation.embedded import SMOLLM2, cache_folder, serve
from schemas.errors import TrainError
from train.student import _put_in_place, from_gguf

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
WIDE = 32


def write_gguf(path: Path, splits_as: str = "smollm") -> Path:
    """A llama of one layer, whose vocabulary would merge '1' and '2' if digits were not split."""
    import numpy as np
    from gguf import GGUFWriter
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    # BPE over bytes: control tokens first, as SmolLM2 has them.
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *bytes_to_unicode().values(), "12", "ab"]
    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDE)
    writer.add_feed_forward_length(2 * WIDE)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splits_as)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["1 2", "a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(0)
    shapes = {
        "token_embd.weight": (len(tokens), WIDE),
        "output_norm.weight": (WIDE,),
        "blk.0.attn_norm.weight": (WIDE,),
        "blk.0.ffn_norm.weight": (WIDE,),
        "blk.0.attn_q.weight": (WIDE, WIDE),
        "blk.0.attn_k.weight": (WIDE // 2, WIDE),
        "blk.0.attn_v.weight": (WIDE // 2, WIDE),
        "blk.0.attn_output.weight": (WIDE, WIDE),
        "blk.0.ffn_gate.weight": (2 * WIDE, WIDE),
        "blk.0.ffn_up.weight": (2 * WIDE, WIDE),
        "blk.0.ffn_down.weight": (WIDE, 2 * WIDE),
    }
    for name, shape in shapes.items():
        # Eighths, which bf16 holds exactly: the folder must then say just what the file says.
        writer.add_tensor(name, (random.integers(-8, 9, shape) / 8).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def made(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return from_gguf(gguf, tmp_path_factory.mktemp("students") / "not there yet")


def test_the_folder_says_what_the_file_says(gguf: Path, made: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ours = AutoModelForCausalLM.from_pretrained(str(made), dtype=torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    ids = torch.tensor([[1, 40, 50, 60, 2]])
    assert torch.equal(ours(ids).logits, theirs(ids).logits)
    assert ours.generation_config.eos_token_id == 2
    assert not hasattr(ours.config, "quantization_config")
    assert AutoModelForCausalLM.from_pretrained(str(made)).dtype == torch.bfloat16


def test_its_tokenizer_splits_digits_and_knows_template_and_stop_token(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(made))
    assert tokenizer.tokenize("ab12") == ["ab", "1", "2"]
    assert tokenizer.decode(tokenizer("a 1 , b\n\nÄ漢").input_ids) == "a 1 , b\n\nÄ漢"
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.model_max_length) == ("<|im_end|>", "<|im_end|>", 256)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False)
    assert chat == "<|im_start|>ab<|im_end|>"


def test_it_is_made_once_and_anew_for_another_file(gguf: Path, made: Path, tmp_path: Path) -> None:
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert from_gguf(gguf, made.parent) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == before
    other = tmp_path / "tiny.gguf"
    other.write_bytes(gguf.read_bytes() + bytes(32))
    assert from_gguf(other, made.parent) != made
    assert not [path for path in made.parent.iterdir() if path.name.startswith(".")]


def test_who_comes_second_takes_what_the_first_has_made(made: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    _put_in_place(part, made)
    assert (made / "config.json").exists()


def test_a_file_whose_splitting_is_not_known_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "other.gguf", splits_as="llama-bpe")
    with pytest.raises(TrainError, match=r"other.gguf: its text is split as 'llama-bpe', .*\(known: smollm\)"):
        from_gguf(path, tmp_path / "students")
    assert list((tmp_path / "students").iterdir()) == []


def test_what_is_no_gguf_file_or_has_no_place_is_told_in_one_line(gguf: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.gguf"
    nonsense.write_bytes(b"no model" * 100)
    with pytest.raises(TrainError, match=r"nonsense.gguf is no GGUF file"):
        from_gguf(nonsense, tmp_path / "students")
    with pytest.raises(TrainError, match=r"absent.gguf: cannot be turned .*: No such file"):
        from_gguf(tmp_path / "absent.gguf", tmp_path / "students")
    with pytest.raises(TrainError, match=r"tiny.gguf: cannot be turned"):
        from_gguf(gguf, nonsense)


TEXTS = [
    "How do I bake bread?",
    "I've 2,025 reasons; don't ask WHY.",
    "Convert: 12 kg = 12000 g, so 3/4.",
    "Check these:\n\n1. **Yeast:** 10 g\n2. Water",
    "  two blanks, \t a tab \n \n and an end  ",
    " 1 2  33   444",
    "x² + ½ ٣٤٥ Ⅷ ①②",
    "Grüße, naïve 漢字 🙂👩‍👧",
    "<think>\nThe user asks.\n</think>\n\nYes.",
    "<|im_start|>user\nhi<|im_end|>\n",
    "def f(x):\n    return x**2  # 100%\r\n",
    "\u00a0a\u200bb\u2028c",
]


def test_the_small_models_tokens_are_those_of_llama_cpp() -> None:
    from transformers import AutoTokenizer

    gguf = cache_folder() / SMOLLM2.file
    if not gguf.exists():
        pytest.skip(f"the small model is not in {gguf.parent}")
    pytest.importorskip("xllamacpp")
    tokenizer = AutoTokenizer.from_pretrained(str(from_gguf(gguf, cache_folder())))
    with serve(gguf, slots=1) as endpoint:
        for text in TEXTS:
            assert tokenizer(text).input_ids == tokens_of(endpoint.base_url, text), text
            assert tokenizer.decode(tokenizer(text).input_ids) == text


def tokens_of(base_url: str, text: str) -> Any:
    body = json.dumps({"content": text, "parse_special": True}).encode()
    request = urllib.request.Request(
        f"{base_url.removesuffix('/v1')}/tokenize", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)["tokens"]
