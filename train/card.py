"""The card of a trained model: README.md with its front matter for the Hub.

    write_card(record, results, "apache-2.0", repo="org/model")    "---\\nbase_model: …\\n---\\n\\n# …"

Its words are in card.md.jinja. Names and texts of others are hostile: whatever the template prints is escaped unless it
is `Markup` already (schemas.markdown). Of a place on this machine only the last name is told.
"""

import re
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import jinja2
import yaml

from schemas.markdown import Markup, block, code, inline, public_name
from schemas.settings import EMBEDDED
from schemas.training import Recipe, RunConfig, RunRecord

EMBEDDED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_LICENCE = "apache-2.0"

WEAK_BASES = ("smollm2-135m",)
"""Models that show the way and are of no use themselves."""

WHOLE_METHOD = ("alttrain", "alttrain_paper")
"""Structures that are the method's own; others are ablations, controls or the user's."""

MOST_SOURCES = 20

HUB_LICENCES = frozenset(
    "afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0 "
    "bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 "
    "cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 "
    "cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 "
    "cdla-permissive-2.0 cdla-sharing-1.0 creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 "
    "etalab-2.0 eupl-1.1 eupl-1.2 fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 grok2-community "
    "h-research intel-research isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 "
    "lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openmdw-1.0 openrail openrail++ osl-3.0 pddl postgresql "
    "unlicense wtfpl zlib".split()
)
"""Names that the Hub takes for `license` (https://huggingface.co/docs/hub/repositories-licenses). It refuses a card
with another one; that is told as `other`, with its name beside it."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def write_card(
    record: RunRecord,
    results: str | None = None,
    base_license: str | None = None,
    *,
    repo: str | None = None,
    merged: bool = False,
    gated: bool = False,
    derived_from: str | None = None,
) -> str:
    """The text of README.md.

    `results`: what an evaluation gave; where it is `Markup` it stands as markdown, any other text in a block. None:
    the card says that nothing was measured. `base_license`: the base model's, as the Hub names it; None: not known.
    `repo`: 'org/name' on the Hub, where it is known yet. `merged`: the weights are whole although an adapter was
    trained. `gated`: readers of the release on the Hub have to ask for it. `derived_from`: the structure whose rows
    this one's were made from by rule; None: it is none of those, or it is not known.
    """
    config = record.config
    adapter = config.recipe.method != "full" and not merged
    base, is_on_hub = base_of(config)
    release, revision = release_of(config)
    licence = base_license or (EMBEDDED_LICENCE if config.model == EMBEDDED else None)
    sources = [public_name(source) for source in record.trained_sources]
    name = repo.split("/")[-1] if repo else last_name(config.name)
    body = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            record=record,
            config=config,
            proof=record.proof,
            adapter=adapter,
            base=_linked(base, "") if is_on_hub else code(base),
            base_place=base,
            release=_linked(release, "datasets/") if revision else code(release),
            release_revision=revision,
            gated=gated,
            derived_from=derived_from or config.derived_from,
            title=f"{name}: {base.split('/')[-1]} thinking in the structure {config.structure}",
            harmful=record.proof.rows_by_label.get("harmful", 0),
            weak=any(weak in base.lower() for weak in WEAK_BASES),
            embedded=config.model == EMBEDDED,
            repo=repo,
            place=repo or name,
            dtype="float32" if config.recipe.precision == "fp32" else "bfloat16",
            results=results if results is None or isinstance(results, Markup) else block(results, 20_000),
            whole_method=WHOLE_METHOD,
            sources=sources[:MOST_SOURCES],
            more_sources=len(sources[MOST_SOURCES:]),
            recipe=_recipe(config.recipe, last_name(config.preset)),
            run=_run(record),
            tool_version=record.versions.get("alttrain"),
            licence=licence,
        )
    )
    matter = yaml.safe_dump(_front_matter(config, adapter, licence), sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{matter}---\n\n{body}"


def _front_matter(config: RunConfig, adapter: bool, licence: str | None) -> dict[str, Any]:
    """What the Hub reads. Names that are on this machine alone are not in it."""
    base, is_on_hub = base_of(config)
    release, revision = release_of(config)
    return {
        **({"base_model": base, "base_model_relation": "adapter" if adapter else "finetune"} if is_on_hub else {}),
        **({"datasets": [release]} if revision else {}),
        "library_name": "peft" if adapter else "transformers",
        **_licence_matter(licence, base if is_on_hub else None),
        "pipeline_tag": "text-generation",
        "tags": ["alttrain", "safety", "alignment", "reasoning", "sft", "trl", *(["lora"] if adapter else [])],
    }


def _licence_matter(licence: str | None, base: str | None) -> dict[str, str]:
    if licence in HUB_LICENCES:
        return {"license": licence}
    name = re.sub(r"[^a-z0-9.]+", "-", (licence or "").lower()).strip("-") or "as-the-base-model"
    return {"license": "other", "license_name": name} | (
        {"license_link": f"https://huggingface.co/{base}"} if base else {}
    )


def base_of(config: RunConfig) -> tuple[str, bool]:
    """(the base model's name, whether it is an id on the Hub)."""
    if config.model == EMBEDDED:
        return EMBEDDED_BASE, True
    # A folder 'models/mine' looks like an id too; where the files are tells them apart.
    cached = f"models--{config.model.replace('/', '--')}"
    is_id = _HUB_ID.fullmatch(config.model) is not None
    if is_id and (config.model_path == config.model or cached in re.split(r"[/\\]", config.model_path)):
        return config.model, True
    return last_name(config.model), False


def release_of(config: RunConfig) -> tuple[str, str | None]:
    """(the release's name, its revision on the Hub); None: it is a folder on this machine."""
    name, _, revision = config.release.partition("@")
    if revision and _HUB_ID.fullmatch(name) and re.fullmatch(r"[\w./-]+", revision):
        return name, revision
    return last_name(config.release), None


def last_name(name: str) -> str:
    """The last part of a path, or of an address without what it asks for."""
    parts = [part for part in re.split(r"[/\\]", re.split(r"[?#]", name)[0]) if part.strip(". ")]
    return public_name(parts[-1]) if parts else "unnamed"


def _recipe(recipe: Recipe, preset: str) -> list[tuple[str, str | Markup]]:
    low_rank = [
        ("rank, alpha, dropout", f"{recipe.lora_rank}, {recipe.lora_alpha}, {recipe.lora_dropout:g}"),
        ("adapted layers", ", ".join(recipe.lora_targets)),
    ]
    warmup = f"{recipe.warmup_steps:,} steps" if recipe.warmup_percent is None else f"{recipe.warmup_percent:g} %"
    methods = {"lora": "LoRA", "qlora": "QLoRA (base in 4 bit)", "full": "all parameters"}
    return [
        ("preset", code(preset)),
        ("method", methods[recipe.method]),
        *(low_rank if recipe.method != "full" else []),
        ("learning rate", f"{recipe.learning_rate:g}, {recipe.schedule}, {warmup} of warm-up"),
        ("epochs", f"{recipe.epochs:g}"),
        ("rows an optimizer step", f"{recipe.batch_rows:,}"),
        ("AdamW", f"betas {recipe.adam_beta1:g} and {recipe.adam_beta2:g}, weight decay {recipe.weight_decay:g}"),
        ("gradient norm at most", f"{recipe.max_grad_norm:g}"),
        ("longest row allowed", f"{recipe.max_tokens:,} tokens; a longer one is refused, never cut"),
        ("packing", "yes, rows are never cut" if recipe.packing else "no"),
        ("precision", recipe.precision),
    ]


def _run(record: RunRecord) -> list[tuple[str, str | Markup]]:
    resumed = ", ".join(f"{step:,}" for step in record.resumed_at)
    return [
        ("optimizer steps", f"{record.steps:,}"),
        ("loss, first and last", f"{_number(record.first_loss)} and {_number(record.final_loss)} nats a token"),
        ("device", f"{record.device}, {record.processes:,} process{'' if record.processes == 1 else 'es'}"),
        ("time", f"{record.seconds:,.0f} s" + (f" since step {resumed}, where it was resumed" if resumed else "")),
        ("tokens a second", f"{record.tokens_per_second:,.0f}"),
        ("peak memory", f"{record.peak_memory_bytes / 1e9:,.1f} GB"),
        ("seed", str(record.config.seed)),
        *([("commit of the working folder", code(record.git))] if record.git else []),
    ]


def _number(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else "no number"


def _linked(name: str, kind: str) -> Markup:
    """A Hub id, whose letters are known to be harmless, as a link."""
    return Markup(f"[{inline(name)}](https://huggingface.co/{kind}{name})")


def _environment() -> jinja2.Environment:
    # Not autoescape: that is for HTML. `finalize` sees everything that is printed.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        finalize=_print,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "code": code,
        "block": block,
        "bare": lambda text: Markup(re.sub(r"[^\w./:+-]", "_", text)),
        "named": _named,
        "share": lambda part, total: Markup(f"{100 * part / total:.1f} %" if total else "–"),
        "plural": lambda count, one: Markup(f"{count:,} {one}{'' if count == 1 else 's'}"),
    }
    return environment


def _named(names: Sequence[str]) -> Markup:
    return Markup(", ".join(code(name) for name in names))


def _print(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"the card has no way to print {value!r}")
    return inline(value, 900) if isinstance(value, str) else f"{value:,}"
