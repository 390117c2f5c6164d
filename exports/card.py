"""The dataset card: README.md with its front matter for the Hub, and the pictures in it.

    write_card(folder, CardFacts(manifest=…, configs=…, chosen=…, evidence=…))
        README.md
        images/composition.png, lengths.png, funnel.png, agreement.png

Its words are in templates/card.md.jinja, its numbers in exports.tally. Rows are hostile text: whatever the template
prints is escaped unless it is `Markup` already (schemas.markdown).
"""

import re
from collections.abc import Mapping, Sequence
from math import fsum
from pathlib import Path
from typing import Any

import jinja2
import yaml
from pydantic import Field, model_validator

from exports import plots
from exports.known_sources import all_known, known_sets
from exports.layout import CARD, DEFAULT, data_path, front_matter_configs
from exports.licences import TERMS, SetLicence, combine
from exports.render import FAMILIES, loading_hint
from exports.shown_example import choose_examples
from exports.tally import DECIDERS, ORIGINS, UNNAMED, Step, Tally, name_category, steps, tally
from exports.verify import size_category
from schemas.example import Frozen
from schemas.markdown import Markup, code, inline, public_name
from schemas.release import Approved, Evidence, Manifest
from schemas.report import Agreement, Rate, Spending, StructureCounts
from schemas.think import CLOSE, OPEN

MOST_TABLE_ROWS = 40
"""Of categories and sources; the rest is one row."""

WEAK_WRITERS = ("smollm2-135m",)
"""Models whose wording shows the flow and is no data to train on: the one that the tool brings along."""

GATE = (
    "This dataset holds harmful requests, each of them declined, to train and test refusals. By asking for access you "
    "agree to use it for making models safer or for studying that, and not to build harmful content with it."
)


class CardFacts(Frozen):
    """All that a card tells. Nothing in it is a secret, but for what careless names of models and sources give away:
    these are shortened."""

    manifest: Manifest = Field(description="as it will be, but for the files that are yet to come")
    configs: Mapping[str, tuple[str, ...]] = Field(description="config to its splits, the default first")
    chosen: tuple[Approved, ...]
    evidence: Evidence
    left_out: Mapping[str, int] = Field(
        default_factory=dict, description="why rows that could be released are not, and how many; each row once"
    )
    repo: str | None = Field(default=None, description="'org/name' on the Hub, where it is known yet")
    gated: bool = False
    languages: tuple[str, ...] = Field(default=("en",), description="of the prompts, by ISO 639 code")

    @model_validator(mode="after")
    def _adding_up(self) -> "CardFacts":
        if sum(self.manifest.rows.values()) != len(self.chosen):
            raise ValueError(f"{len(self.chosen)} rows, the manifest has {sum(self.manifest.rows.values())}")
        return self


def write_card(folder: Path, facts: CardFacts) -> None:
    """Writes README.md and images/ into the folder of a release that is being made.

    Raises ReleaseError where the rows' licences do not come to one.
    """
    licence = combine((public_name(one.seed.source), one.seed.license) for one in facts.chosen)
    counts = tally(facts.chosen)
    way = steps(facts.evidence.funnel, facts.evidence.structure, _eligible(facts), counts.rows)
    pictures = draw(counts, way, facts.evidence.agreement)
    (folder / "images").mkdir(exist_ok=True)
    for picture in pictures:
        (folder / "images" / f"{picture.name}.png").write_bytes(picture.png)
    text = render(facts, counts, way, licence, {picture.name: picture.alt for picture in pictures})
    (folder / CARD).write_text(text, "utf-8", newline="\n")


def draw(counts: Tally, way: Sequence[Step], measured: Sequence[Agreement]) -> tuple[plots.Picture, ...]:
    """The pictures of a card; without one of agreement where none was measured."""
    drawn = (plots.composition(counts), plots.lengths(counts), plots.funnel(way), plots.agreement(measured))
    return tuple(picture for picture in drawn if picture is not None)


def front_matter(facts: CardFacts, licence: SetLicence) -> dict[str, Any]:
    """What the Hub reads. No text of a row is in it."""
    tags = ["alttrain", "safety", "alignment", "reasoning", "chain-of-thought", "sft", "refusal", "trl"]
    if any(one.label == "harmful" for one in facts.chosen):
        tags.append("not-for-all-audiences")
    gate = {"extra_gated_prompt": GATE, "extra_gated_fields": {"I agree to these terms": "checkbox"}}
    return {
        "pretty_name": title(facts),
        "language": list(facts.languages),
        "license": licence.id,
        "task_categories": ["text-generation"],
        "size_categories": [size_category(sum(facts.manifest.rows.values()))],
        "tags": tags,
        **(gate if facts.gated else {}),
        "configs": front_matter_configs(facts.configs),
    }


def title(facts: CardFacts) -> str:
    """e.g. 'my-set v1: reasoning in the structure alttrain'."""
    name = facts.repo.split("/")[-1] if facts.repo else "Release"
    return f"{name} {facts.manifest.name}: reasoning in the structure {facts.manifest.structure}"


def render(facts: CardFacts, counts: Tally, way: Sequence[Step], licence: SetLicence, alts: Mapping[str, str]) -> str:
    """The whole text of README.md; `alts`: the pictures that there are, with their words."""
    matter = yaml.safe_dump(front_matter(facts, licence), sort_keys=False, allow_unicode=True, width=10_000)
    body = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            facts=facts,
            manifest=facts.manifest,
            evidence=facts.evidence,
            counts=counts,
            way=way,
            licence=licence,
            alts=alts,
            title=title(facts),
            made=_made(facts),
            spending=_spending(facts),
            examples=choose_examples(facts.chosen),
            benchmarks=[known for known in all_known(row.name for row in counts.sources) if known.measures],
            cited=all_known(row.name for row in counts.sources),
            weak=[w.model for w in counts.writers if any(name in w.model.lower() for name in WEAK_WRITERS)],
            usd=fsum(one.usd or 0 for one in facts.chosen),
            unpriced=sum(one.usd is None for one in facts.chosen),
            guidelines=sorted({version for one in facts.chosen for version in one.approval.guidelines}),
            answers=sum(one.approval.answers for one in facts.chosen),
            agreeing=sum(one.approval.agreeing for one in facts.chosen),
            # With the dot it is a folder to `load_dataset` wherever it is read, never somebody's dataset "releases/v1".
            where=facts.repo or f"./releases/{facts.manifest.name}",
            rendered=[config for config in facts.configs if config in FAMILIES],
            families=FAMILIES,
            open_mark=code(OPEN),
            close_mark=code(CLOSE),
            eligible=_eligible(facts),
            default=DEFAULT,
        )
    )
    return f"---\n{matter}---\n\n{body}"


def _environment() -> jinja2.Environment:
    # Not autoescape: that is for HTML. `finalize` sees everything that is printed.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=_print,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "code": code,
        "category": name_category,
        "share": _share,
        "percent": lambda share: Markup(_percent(share)),
        "usd": lambda usd: Markup(f"{usd:,.2f}" if usd >= 1 or not usd else f"{usd:,.4f}"),
        "rate": _rate,
        "coefficient": lambda value: Markup(plots.say(value)),
        "named": lambda names: Markup(", ".join(code(name) for name in names)),
        "bare": lambda text: Markup(re.sub(r"[^\w./:+-]", "_", text)),
        "words": lambda name: name.replace("_", " "),
        "most": lambda rows: rows[:MOST_TABLE_ROWS],
        "rest": lambda rows: rows[MOST_TABLE_ROWS:],
        "known": known_sets,
        "hint": lambda family, where: Markup(loading_hint(family, re.sub(r"[^\w./-]", "_", where))),
        "licences": lambda ids: Markup(", ".join(f"[{TERMS[one].name}]({TERMS[one].url})" for one in ids)),
        "picture": lambda name, alts: Markup(f"![{inline(alts[name], 900)}](images/{name}.png)"),
        "plural": lambda count, one, many=None: Markup(f"{count:,} {one if count == 1 else many or one + 's'}"),
    }
    environment.globals |= {"ORIGINS": ORIGINS, "DECIDERS": DECIDERS, "UNNAMED": UNNAMED, "data_path": data_path}
    environment.globals["Rate"] = Rate
    return environment


def _print(value: Any) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"the card has no way to print {value!r}")
    return inline(value, 900) if isinstance(value, str) else f"{value:,}"


def _share(part: int, total: int) -> Markup:
    """e.g. '12.5 %', '3 %'; nothing of nothing is a dash."""
    if not total:
        return Markup("–")
    return Markup(f"{_percent(part / total)} %")


def _rate(rate: Rate) -> Markup:
    """e.g. '0 of 40: 0 % (0 to 8.8 %)'."""
    if not rate.n:
        return Markup("none observed")
    hits = round(rate.value * rate.n)
    low, high = _percent(rate.low), _percent(rate.high)
    return Markup(f"{hits:,} of {rate.n:,}: {_percent(rate.value)} % ({low} to {high} %)")


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0")


def _eligible(facts: CardFacts) -> int:
    return len(facts.chosen) + sum(facts.left_out.values())


def _made(facts: CardFacts) -> StructureCounts | None:
    structures = facts.evidence.funnel.structures
    return next((counts for counts in structures if counts.structure == facts.evidence.structure), None)


def _spending(facts: CardFacts) -> tuple[Spending, ...]:
    """By model, whichever endpoints served it: how they are called is nobody's business."""
    models: dict[str, Spending] = {}
    for row in facts.evidence.funnel.spending:
        model = public_name(row.model)
        before = models.get(model)
        models[model] = Spending(
            endpoint="",
            model=model,
            **{
                name: getattr(row, name) + (getattr(before, name) if before else 0)
                for name in ("calls", "requests", "tokens_in", "tokens_out", "usd", "unpriced")
            },
        )
    return tuple(models.values())
