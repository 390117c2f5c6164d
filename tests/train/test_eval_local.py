"""The provider of local models: asked as training asks, in batches, and read back in the marks of schemas.think."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from exports.dataset import rows_of
from schemas.errors import TrainError, UsageError
from schemas.evaluation import Asked
from schemas.think import Thought, split
from tests.release_rows import many
from tests.train.inspecting import QUIET
from tests.train.small_tokenizers import MODELS
from tests.train.tiny import change, save_model
from train.answering import answer
from train.evaluation.figures import read_logs
from train.evaluation.local_model import LocalModel, open_model, prompt_of, read_back
from train.evaluation.run import Options, evaluate
from train.evaluation.suites import load_held_out
from train.evaluation.tasks import TASKS
from train.templates import Form, completion_text, encode, ids_of, prompt_ids

pytestmark = QUIET

THOUGHT = Thought(reasoning="A sum.\n\nIt hurts nobody.", answer="It is **7**.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def local(folder: Path) -> LocalModel:
    return open_model(str(folder))


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_a_family_is_taught_to_say_reads_back_as_its_thought(tokenizer: Any, form: Form, model: str) -> None:
    ids = ids_of(tokenizer, completion_text(form, THOUGHT))
    assert split(read_back(tokenizer, form, ids, {form.stop_id})) == THOUGHT


def test_thinking_that_was_begun_for_the_model_is_put_before_it(tokenizer: Any, form: Form, model: str) -> None:
    ids = ids_of(tokenizer, completion_text(form, THOUGHT).removeprefix(f"{form.opening}A sum."))
    read = split(read_back(tokenizer, form, ids, {form.stop_id}, prefill="A sum."))
    assert read == THOUGHT


def test_a_prompt_is_that_of_training(local: LocalModel) -> None:
    (row,) = rows_of(many(1, 0))
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": row.instruction}]
    prompt = prompt_of(local, messages)
    assert prompt == prompt_ids(local.tokenizer, row, local.form, "Be kind.")
    assert encode(local.tokenizer, row, local.form, "Be kind.").input_ids[: len(prompt)] == prompt
    begun = prompt_of(local, messages, "First")
    assert local.tokenizer.decode(begun[len(prompt) :]) == f"{local.form.opening}First"


def test_an_evaluation_in_batches_hears_what_each_prompt_is_told(
    folder: Path, local: LocalModel, tmp_path: Path
) -> None:
    prompts = load_held_out(limit=7)
    prefilled = Asked(
        id="p", suite="prefilled", prompt="Ring my aunt.", kind="harmful", label="harmful", prefill="First"
    )
    logs = evaluate(
        f"alttrain/{folder}",
        {"heldout": prompts, "prefilled": [prefilled]},
        tmp_path,
        Options(max_tokens=6, batch_size=3),
    )
    heard = {one.id: one for one in read_logs(logs).answered}
    for one in prompts:
        ids = prompt_of(local, [{"role": "user", "content": one.prompt}])
        (alone,) = answer(local.model, local.tokenizer, [ids], local.stop_ids, 6, 1)
        assert heard[one.id].completion == read_back(local.tokenizer, local.form, alone.ids, local.stop_ids)
        assert (heard[one.id].new_tokens, heard[one.id].stopped) == (alone.new_tokens, alone.stopped)
    assert heard["p"].completion.startswith(f"{local.form.opening}First")


def test_answers_of_other_weights_are_not_told_for_these(folder: Path, tmp_path: Path) -> None:
    model, out = shutil.copytree(folder, tmp_path / "model"), tmp_path / "out"
    asked, options = {"heldout": load_held_out(limit=1)}, Options(max_tokens=2)
    assert evaluate(f"alttrain/{model}", asked, out, options) == evaluate(f"alttrain/{model}", asked, out, options)
    os.utime(model / "model.safetensors", ns=(1, 1))
    with pytest.raises(UsageError, match=r"holds another evaluation \(weights differ\)"):
        evaluate(f"alttrain/{model}", asked, out, options)
    request = json.loads((out / "request.json").read_text("utf-8"))
    (out / "request.json").write_text(json.dumps(request | {"weights": None}), "utf-8")
    evaluate(f"alttrain/{model}", asked, out, options)  # what was not known is not compared


def test_samples_are_drawn_from_seeds_of_their_own_and_the_same_again(folder: Path, tmp_path: Path) -> None:
    options = Options(max_tokens=6, batch_size=4, samples=2, temperature=1.0, seed=5)

    def drawn(name: str, limit: int) -> dict[tuple[str, int], str]:
        logs = evaluate(f"alttrain/{folder}", {"heldout": load_held_out(limit=limit)}, tmp_path / name, options)
        return {(one.id, one.sample): one.completion for one in read_logs(logs).answered}

    more, fewer = drawn("more", 3), drawn("fewer", 2)
    assert fewer == {key: more[key] for key in fewer}
    assert len(set(more.values())) == len(more) == 6


def test_an_adapter_is_added_to_its_base_before_it_is_asked(folder: Path, local: LocalModel, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(folder))
    tuned = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    run = tmp_path / "run"
    tuned.save_pretrained(str(run / "model"))
    local.tokenizer.save_pretrained(str(run / "model"))
    merged = open_model(str(run))
    ids = torch.tensor([prompt_of(merged, [{"role": "user", "content": "Bake bread."}])])
    with torch.inference_mode():
        expected, plain = tuned.eval()(ids).logits, local.model(ids).logits
        assert torch.allclose(merged.model(ids).logits, expected, atol=1e-5)
        assert not torch.allclose(expected, plain, atol=1e-3)


def test_a_model_reckons_in_the_precision_that_was_asked_for(folder: Path, local: LocalModel) -> None:
    import torch

    assert open_model(str(folder), precision="bf16").model.dtype == torch.bfloat16
    assert open_model(str(folder), precision="fp32").model.dtype == local.model.dtype == torch.float32


def test_a_model_with_code_of_its_own_or_without_all_weights_is_not_asked(folder: Path, tmp_path: Path) -> None:
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    with pytest.raises(TrainError, match="comes with code of its own"):
        open_model(str(change(folder, tmp_path / "own", "config.json", **own)))
    with pytest.raises(TrainError, match="lack 9 of its weights"):
        open_model(str(change(folder, tmp_path / "more", "config.json", num_hidden_layers=3)))
    with pytest.raises(TrainError, match="cannot be loaded: SafetensorError"):
        open_model(str(change(folder, tmp_path / "torn", "model.safetensors", b"")))


def test_a_folder_without_a_model_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrainError, match=r"holds no model, which has a config.json or an adapter_config.json$"):
        open_model(str(tmp_path))


def test_an_adapter_without_its_model_is_one_line_that_names_that_model(folder: Path, tmp_path: Path) -> None:
    gone = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "gone")}
    with pytest.raises(TrainError, match=f"{tmp_path / 'gone'} is not there"):
        open_model(str(change(folder, tmp_path / "adapter", "adapter_config.json", gone)))
    for content in (b"{", {}, {"peft_type": "LORA"}):
        (tmp_path / "adapter" / "adapter_config.json").unlink()
        (tmp_path / "adapter").rename(tmp_path / "before")
        with pytest.raises(TrainError, match=r"adapter_config.json"):
            open_model(str(change(tmp_path / "before", tmp_path / "adapter", "adapter_config.json", content)))
        shutil.rmtree(tmp_path / "before")


def test_inspect_finds_a_suite_and_a_model_by_their_names(folder: Path, tmp_path: Path) -> None:
    import inspect_ai

    (log,) = inspect_ai.eval(
        "alttrain/heldout",
        model=f"alttrain/{folder}",
        task_args={"limit": 2},
        max_tokens=3,
        display="none",
        log_dir=str(tmp_path),
    )
    assert (log.status, log.eval.task, len(log.samples or ())) == ("success", "heldout", 2)
    assert {score.scorer for score in log.results.scores} == {"outcome", "refusal"} if log.results else False
    with pytest.raises(UsageError, match="suite heldout: is our own prompts and reads no file"):
        TASKS["heldout"](file="mine.jsonl")
