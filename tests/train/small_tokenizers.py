"""The families' real chat templates on small tokenizers that have the families' real special tokens.

Special, added and stop tokens, and whether a tokenizer puts the token that begins a text before a text, are as the
models document them; what else is in a vocabulary is learnt from a few lines. Templates: those of TRL, which has them
byte by byte to know models by them, and those of tests/data/chat_templates (its README says where each was found).
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerFast

from schemas.think import CLOSE, OPEN
from tests.exports.small_tokenizer import BEGIN, learn
from tests.release_rows import few, many

R1_END = "<｜end▁of▁sentence｜>"
TEMPLATES = Path(__file__).parent.parent / "data" / "chat_templates"
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


class Model(NamedTuple):
    family: str
    """As train/templates.py has to find it."""
    template: str
    """A file of TRL's or, where it ends so, of tests/data/chat_templates."""
    special: tuple[str, ...]
    stop: str
    added: tuple[str, ...] = (OPEN, CLOSE)
    pad: str | None = None
    begin: str | None = None
    begins_texts: bool = False
    nfc: bool = False


R1_SPECIAL = (BEGIN, R1_END, "<｜User｜>", "<｜Assistant｜>")
R1 = Model("r1", "deepseek_r1_distill", R1_SPECIAL, R1_END, begin=BEGIN, begins_texts=True)
QWEN = Model("qwen3", "qwen3", CHATML, "<|im_end|>", pad="<|endoftext|>", nfc=True)
TOOLS = ("<tool_call>", "</tool_call>")

MODELS = {
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": R1,
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": R1._replace(special=(*R1_SPECIAL, "<|begin_of_text|>")),
    "Qwen/Qwen3-8B": QWEN._replace(added=(*TOOLS, OPEN, CLOSE)),
    "Qwen/QwQ-32B": QWEN._replace(family="qwq", template="qwq.jinja"),
    "simplescaling/s1.1-7B": QWEN._replace(family="s1", template="qwen2_5", added=TOOLS),
    "microsoft/Phi-4-reasoning": Model(
        "phi-4-reasoning",
        "phi_4_reasoning.jinja",
        (*CHATML, "<|im_sep|>", "<|dummy_85|>"),
        "<|im_end|>",
        pad="<|dummy_85|>",
        begin="<|endoftext|>",
    ),
    "openai/gpt-oss-20b": Model(
        "gpt-oss",
        "gptoss",
        tuple("<|startoftext|> <|endoftext|> <|return|> <|start|> <|end|> <|message|> <|channel|> <|call|>".split()),
        "<|return|>",
        added=(),
        pad="<|endoftext|>",
        begin="<|startoftext|>",
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Model(
        "smollm2",
        "smollm2.jinja",
        (*CHATML, "<repo_name>", "<filename>", "<empty_output>"),
        "<|im_end|>",
        added=(),
        begin="<|im_start|>",
    ),
    "HuggingFaceTB/SmolLM3-3B": Model(
        "smollm3", "smollm3.jinja", ("<|begin_of_text|>", "<|end_of_text|>", *CHATML[1:]), "<|im_end|>"
    ),
    "meta-llama/Llama-3.2-1B-Instruct": Model(
        "generic",
        "llama3_2",
        tuple("<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>".split()),
        "<|eot_id|>",
        added=(),
        begin="<|begin_of_text|>",
        begins_texts=True,
    ),
}
"""By the Hub id of a model: a DeepSeek-R1 distill of both kinds, one of each other family, and one of no family."""


@cache
def shared_tokenizer(model: str) -> PreTrainedTokenizerFast:
    """The model's tokenizer in small. It is shared: who changes it takes `own_tokenizer`."""
    return own_tokenizer(model)


def own_tokenizer(model: str) -> PreTrainedTokenizerFast:
    it = MODELS[model]
    texts = [text for one in (*few(), *many(4, 4)) for text in (one.seed.prompt, one.draft.completion)]
    tokenizer = learn(
        texts,
        list(it.special),
        list(it.added),
        stop=it.stop,
        pad=it.pad,
        begin=it.begin,
        begins_texts=it.begins_texts,
        nfc=it.nfc,
    )
    tokenizer.chat_template = template(it.template)
    return tokenizer


def template(name: str) -> str:
    """The text of a chat template."""
    if name.endswith(".jinja"):
        return (TEMPLATES / name).read_text("utf-8")
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text("utf-8")
