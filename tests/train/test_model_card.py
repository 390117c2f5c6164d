"""The card of a trained model: what the Hub reads of it, what it tells of the run, and that no name can break it."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.utils._validators import validate_repo_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from schemas.markdown import Markup
from schemas.training import Recipe
from tests.release_rows import FENCES, HOSTILE, LETTERS
from tests.train.records import MODEL, record
from train.card import HUB_LICENCES, write_card

SECRETS = ("/home/", "ann/", "gpu-box", "C:\\", "10.0.0.5", "snapshots", "secret")


def matter_of(card: str) -> dict[str, Any]:
    """The front matter, read by the Hub's own parser."""
    read: dict[str, Any] = ModelCard(card).data.to_dict()  # type: ignore[no-untyped-call]
    return read


def body_of(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def tokens_of(card: str) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [part for token in parser.parse(body_of(card)) for part in (token, *(token.children or ()))]


def cells(card: str, name: str) -> list[str]:
    line = next(line for line in body_of(card).splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


# -- what the Hub reads


def test_the_hubs_own_parser_reads_the_front_matter(tmp_path: Path) -> None:
    card = write_card(record(), None, "mit", repo="org/model")
    (tmp_path / "README.md").write_text(card, "utf-8")
    data = matter_of(card)
    assert data == metadata_load(tmp_path / "README.md")
    assert data == {
        "base_model": MODEL,
        "base_model_relation": "adapter",
        "datasets": ["org/mild"],
        "library_name": "peft",
        "license": "mit",
        "pipeline_tag": "text-generation",
        "tags": ["alttrain", "safety", "alignment", "reasoning", "sft", "trl", "lora"],
    }
    for name in (data["base_model"], *data["datasets"]):
        validate_repo_id(name)


@pytest.mark.parametrize(
    ("method", "merged", "library", "relation"),
    [
        ("lora", False, "peft", "adapter"),
        ("qlora", False, "peft", "adapter"),
        ("lora", True, "transformers", "finetune"),
        ("full", False, "transformers", "finetune"),
    ],
)
def test_an_adapter_and_whole_weights_are_told_apart_and_loaded_each_in_its_way(
    method: Any, merged: bool, library: str, relation: str
) -> None:
    card = write_card(record(Recipe(method=method)), repo="org/model", merged=merged)
    data = matter_of(card)
    assert (data["library_name"], data["base_model_relation"]) == (library, relation)
    assert ("lora" in data["tags"]) == (library == "peft")
    code = next(token.content for token in tokens_of(card) if token.type == "fence" and token.info == "python")
    compile(code, "card", "exec")
    assert ("PeftModel.from_pretrained(base, " in code) == (library == "peft")
    assert ('AutoModelForCausalLM.from_pretrained("org/model"' in code) == (library == "transformers")
    assert ('revision="916b56a"' in code) == (library == "peft")


@pytest.mark.parametrize(
    ("licence", "matter"),
    [
        ("apache-2.0", {"license": "apache-2.0"}),
        ("llama3.1", {"license": "llama3.1"}),
        (None, {"license": "other", "license_name": "as-the-base-model"}),
        ("Qwen Research: #1", {"license": "other", "license_name": "qwen-research-1"}),
    ],
)
def test_a_licence_that_the_hub_does_not_know_is_told_as_another_with_its_name(
    licence: str | None, matter: dict[str, str]
) -> None:
    data = matter_of(write_card(record(), None, licence))
    found = {name: value for name, value in data.items() if name.startswith("license")}
    assert found == matter | ({} if licence in HUB_LICENCES else {"license_link": f"https://huggingface.co/{MODEL}"})


def test_the_model_of_this_tool_is_named_by_what_it_was_made_from() -> None:
    card = write_card(record(model="embedded", model_path="/home/ann/.cache/students/x", model_revision=None))
    data = matter_of(card)
    assert data["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert data["license"] == "apache-2.0"
    assert "This is no model for use" in card
    assert "4-bit GGUF" in card
    assert not [secret for secret in SECRETS if secret in card]


# -- places on this machine


@pytest.mark.parametrize(
    ("model", "path", "shown", "base"),
    [
        ("/home/ann/secret/mine-7b", "/home/ann/secret/mine-7b", "mine-7b", None),
        ("secret/mine-7b", "/home/ann/secret/mine-7b", "mine-7b", None),
        ("C:\\secret\\mine-7b\\", "C:\\secret\\mine-7b", "mine-7b", None),
        ("~/secret/mine-7b", "/home/ann/secret/mine-7b", "mine-7b", None),
        (MODEL, f"/home/ann/hub/models--{MODEL.replace('/', '--')}/snapshots/916b56a", MODEL, MODEL),
    ],
)
def test_of_a_place_on_this_machine_only_the_last_name_is_told(
    model: str, path: str, shown: str, base: str | None
) -> None:
    for release in ("/home/ann/secret/releases/v1", "secret/v1", "./secret/v1/"):
        made = record(
            model=model, model_path=path, release=release, name="/home/ann/runs/first", preset="/home/ann/p.yaml"
        )
        card = write_card(made)
        data = matter_of(card)
        assert data.get("base_model") == base
        assert "datasets" not in data
        assert cells(card, "Release") == ["`v1`"]
        assert shown in cells(card, "Base model")[0]
        assert not [secret for secret in SECRETS if secret in card]


def test_names_of_sources_go_without_folders_and_servers() -> None:
    made = record(trained_sources=("/home/ann/secret/rows.jsonl", "http://10.0.0.5:9000/x/set", "tests/mild"))
    card = write_card(made)
    assert "`rows.jsonl`, `set`, `tests/mild`" in card
    assert not [secret for secret in SECRETS if secret in card]


# -- what it tells


def test_the_release_is_named_with_its_revision_and_the_hash_of_its_rows() -> None:
    card = write_card(record())
    assert cells(card, "Release") == ["[org/mild](https://huggingface.co/datasets/org/mild), revision `v1`"]
    assert cells(card, "Hash of its rows (SHA-256)") == [f"`{'ab' * 32}`"]
    assert cells(card, "SHA-256 of the trained weights") == [f"`{'cd' * 32}`"]


def test_rows_and_trained_tokens_are_told_by_label_and_add_up() -> None:
    card = write_card(record())
    assert cells(card, "harmful") == ["120", "12,000", "40.0 %"]
    assert cells(card, "benign") == ["40", "18,000", "60.0 %"]
    assert cells(card, "**all**")[:2] == ["**160**", "**30,000**"]
    assert "120 prompts of 160" in card
    assert "Content warning" in card


def test_without_harmful_rows_there_is_no_content_warning() -> None:
    made = record()
    proof = made.proof.model_copy(update={"rows_by_label": {"benign": 160}, "trained_by_label": {"benign": 30_000}})
    assert "Content warning" not in write_card(made.model_copy(update={"proof": proof}))


def test_every_setting_of_the_recipe_that_shapes_the_weights_is_in_its_table() -> None:
    recipe = Recipe(learning_rate=3e-4, warmup_percent=5, epochs=2.5, batch_rows=128, packing=True)
    card = write_card(record(recipe))
    assert cells(card, "learning rate") == ["0.0003, cosine, 5 % of warm-up"]
    assert cells(card, "epochs") == ["2.5"]
    assert cells(card, "rows an optimizer step") == ["128"]
    assert cells(card, "packing") == ["yes, rows are never cut"]
    assert cells(card, "rank, alpha, dropout") == ["16, 16, 0"]
    whole = write_card(record(Recipe(method="full")))
    assert "rank, alpha" not in whole
    assert cells(whole, "method") == ["all parameters"]


def test_the_run_is_told_with_its_losses_even_where_training_broke() -> None:
    card = write_card(record(final_loss=float("nan"), resumed_at=(40, 90)))
    assert cells(card, "loss, first and last") == ["3.21 and no number nats a token"]
    assert cells(card, "time") == ["512 s since step 40, 90, where it was resumed"]
    assert cells(card, "peak memory") == ["2.9 GB"]
    assert "`torch` 2.13.0" in card


@pytest.mark.parametrize(("structure", "said"), [("alttrain", False), ("plain_answer_only", True)])
def test_a_structure_that_is_not_the_methods_own_is_not_passed_off_as_it(structure: str, said: bool) -> None:
    assert ("not the method's own" in write_card(record(structure=structure))) == said


def test_what_was_not_evaluated_says_so_and_what_was_is_told() -> None:
    assert "**Not evaluated yet.**" in write_card(record())
    table = Markup("| set | refused |\n|:--|:--|\n| XSTest | 3 of 250 |")
    card = write_card(record(), table)
    assert "Not evaluated yet" not in card
    assert cells(card, "XSTest") == ["3 of 250"]
    plain = write_card(record(), f"# a heading {HOSTILE}")
    assert "a heading" not in [token.content for token in tokens_of(plain) if token.type == "inline"]
    assert any("a heading" in token.content for token in tokens_of(plain) if token.type == "fence")


def test_system_prompts_are_shown_where_there_were_any() -> None:
    assert "It was trained without a system prompt." in write_card(record())
    card = write_card(record(system=("Be brief.", f"{FENCES}\n{HOSTILE}")))
    assert "2 system prompts" in card
    assert [token for token in tokens_of(card) if token.type == "fence" and token.content == "Be brief.\n"]


# -- others' texts


def inert(card: str, plain: str) -> None:
    """The page has the same headings, links and code as that of a tame record, and no HTML at all."""

    def shape(text: str) -> list[tuple[str, str]]:
        kinds = ("heading_open", "link_open", "image", "html_block", "html_inline", "table_open", "hr")
        return [(token.type, str(token.attrGet("href"))) for token in tokens_of(text) if token.type in kinds]

    assert shape(card) == shape(plain)
    assert not [token for token in tokens_of(card) if token.type.startswith("html")]
    assert set(matter_of(card)) == set(matter_of(plain))


@pytest.mark.parametrize(
    "text", [HOSTILE, LETTERS, FENCES, "a | b", "`", "\\", "---\nlicense: mit\n---", "{{ config }}"]
)
def test_no_name_is_markup_whatever_it_says(text: str) -> None:
    local = {"model": "mine", "model_path": "/m", "release": "v1"}
    changes: dict[str, Any] = {
        **local,
        "name": text,
        "preset": text,
        "structure": text,
        "model": text,
        "release": text,
        "model_revision": text,
        "device": text,
        "git": text,
        "versions": {text: text, "alttrain": text},
        "trained_sources": (text,),
        "system": (text,),
    }
    tame: dict[str, Any] = {**local, "git": "a", "system": ("a",), "trained_sources": ("a",)}
    inert(write_card(record(**changes), text, text), write_card(record(**tame), "a", "no licence of the Hub's"))


@given(name=st.text(), source=st.text())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_names_leave_a_card_that_the_hub_can_read(name: str, source: str) -> None:
    card = write_card(record(name=name, model=name, release=name, structure=source, trained_sources=(source,)))
    assert matter_of(card)["pipeline_tag"] == "text-generation"
    card.encode("utf-8")
