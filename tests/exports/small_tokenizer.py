"""Small tokenizers with the tokens that matter of a family of models, and the family's real chat template.

The templates are read out of TRL, which ships them byte by byte as the models do to know models by them. The tokens and
how the tokenizers treat them (R1 distills add the token that begins a text, Qwen3 has none) are as the models document
them; the rest of the vocabulary is learnt from a few lines, so token ids and lengths are not the models'.
"""

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from schemas.think import CLOSE, OPEN

BEGIN = "<｜begin▁of▁sentence｜>"

# How both families part a text before they look for tokens; what it does to a newline decides whether the end of a
# prompt can merge with the start of its completion.
PARTS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def small_tokenizer(family: str, texts: list[str]) -> PreTrainedTokenizerFast:
    """The tokenizer of a family in small, its vocabulary learnt from `texts`."""
    special, stop, pad, begin = {
        "r1": ([BEGIN, "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"], "<｜end▁of▁sentence｜>", None, BEGIN),
        "qwen3": (["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>", "<|endoftext|>", None),
    }[family]
    tokenizer = learn(texts, special, [OPEN, CLOSE], stop=stop, pad=pad, begin=begin)
    tokenizer.chat_template = chat_template(family)
    return tokenizer


def learn(
    texts: list[str],
    special: list[str],
    added: list[str],
    *,
    stop: str,
    pad: str | None = None,
    begin: str | None = None,
    begins_texts: bool = True,
    nfc: bool = False,
) -> PreTrainedTokenizerFast:
    """A tokenizer of bytes and what they often make in `texts`, with these special tokens and these added ones, which
    are tokens but not special. `begins_texts`: whether it puts `begin` before a text by itself; `nfc`: whether it
    writes texts in Unicode's form NFC."""
    learnt = Tokenizer(models.BPE())
    if nfc:
        learnt.normalizer = normalizers.NFC()
    learnt.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PARTS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    learnt.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learnt.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    learnt.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    learnt.add_tokens([AddedToken(mark, normalized=False, special=False) for mark in added])
    if begin and begins_texts:
        learnt.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, learnt.token_to_id(begin))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=learnt, bos_token=begin, eos_token=stop, pad_token=pad or stop, model_max_length=16384
    )


def chat_template(family: str) -> str:
    """The text of the family's chat template, as the models ship it."""
    import trl

    name = {"r1": "deepseek_r1_distill", "qwen3": "qwen3"}[family]
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")
