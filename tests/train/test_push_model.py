"""A model on the Hub, through the real client: what goes there, that nothing of this machine does, who may read it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import HfApi

from curation.cli import curate
from exports import hub_model
from schemas.errors import CurateError, ReleaseError, TrainError, UsageError
from schemas.evaluation import Compared, EvalReport, ModelAsked
from schemas.report import Rate
from tests.exports.release_folder import SETTINGS
from tests.exports.release_folder import write as write_release
from tests.hub_endpoints import Answer, Asked
from tests.hub_repos import Blob, Repo
from tests.hub_server import LOSE_REPLY, READER, STRANGER, HubServer, Trouble, error, once, serving
from tests.release_rows import many
from tests.train.records import record
from tests.train.tiny import make_run, save_model
from train.merge import merge
from train.publish import prepare
from train.record import CONFIG, RECORD, read_config, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that torch and TRL import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

MODEL = "ours/model"
EMBEDDED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
ADAPTER = {"README.md", "record.json", "adapter_config.json", "adapter_model.safetensors", *TOKENIZER}
WHOLE = {"README.md", "record.json", "config.json", "generation_config.json", "model.safetensors", *TOKENIZER}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the embedded model as it is at its end, though its adapter has learnt nothing."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = make_run(tmp_path_factory.mktemp("runs") / "first", base)
    config = read_config(run).model_copy(update={"model": "embedded", "release": "/data/v1"})
    write(run / CONFIG, config)
    adapter = LoraConfig(target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(str(base)), adapter).save_pretrained(str(run / "model"))
    AutoTokenizer.from_pretrained(str(base)).save_pretrained(str(run / "model"))
    (run / "model" / "training_args.bin").write_bytes(str(run).encode())
    (run / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    for name in ("log.jsonl", "samples.harmful.jsonl", "checkpoints/checkpoint-1/optimizer.pt"):
        (run / name).write_text("stays here\n")
    sources = (str(run / "rows.jsonl"), "tests/mild")
    write(run / RECORD, record(trained_sources=sources).model_copy(update={"config": config}))
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "runs" / "first"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving(monkeypatch) as server:
        yield server


def train(*words: object) -> Result:
    return CliRunner().invoke(curate, ["train", *map(str, words)])


def refused(*words: object) -> str:
    done = train(*words)
    assert isinstance(done.exception, CurateError), done.output
    line = str(done.exception)
    assert "\n" not in line
    return line


def pushed(hub: HubServer) -> dict[str, bytes]:
    files = hub.models[MODEL].head.files
    return {path: blob.content for path, blob in files.items() if path != ".gitattributes"}


def change(run: Path, **changes: Any) -> None:
    """Lets a run have been asked for something else."""
    told = json.loads((run / RECORD).read_text())
    told["config"] |= changes
    (run / RECORD).write_text(json.dumps(told))


# -- what goes there


def test_an_adapter_goes_with_tokenizer_card_and_record_and_names_no_folder_of_this_machine(
    hub: HubServer, run: Path, finished: Path, base: Path
) -> None:
    done = train("push", run, MODEL)
    assert done.exit_code == 0, done.output
    files = pushed(hub)
    assert set(files) == ADAPTER
    assert hub.models[MODEL].private
    assert not hub.repos
    for name, content in files.items():
        for place in (base, run, finished, Path.cwd(), Path("/data")):
            assert str(place).encode() not in content, (name, place)
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == EMBEDDED_BASE
    assert json.loads(files["record.json"])["config"]["model_path"] == EMBEDDED_BASE
    assert json.loads(files["record.json"])["trained_sources"] == ["rows.jsonl", "tests/mild"]
    card = files["README.md"].decode()
    assert f'PeftModel.from_pretrained(base, "{MODEL}")' in card
    assert "Not evaluated yet" in card
    assert "| loss, first and last | 3.21 and 0.456 nats a token |" in card


def test_what_was_pushed_loads_elsewhere_and_says_the_same(
    hub: HubServer, run: Path, base: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    train("push", run, MODEL)
    there = HfApi(endpoint=hub.url).snapshot_download(
        MODEL, local_dir=tmp_path / "there", token=hub.environment()["HF_TOKEN"]
    )
    assert PeftConfig.from_pretrained(there).base_model_name_or_path == EMBEDDED_BASE
    ids = AutoTokenizer.from_pretrained(there)("Say hello", return_tensors="pt")["input_ids"]

    def says(adapter: Path | str) -> Any:
        whole = AutoModelForCausalLM.from_pretrained(str(base))
        return PeftModel.from_pretrained(whole, str(adapter))(ids).logits

    assert torch.equal(says(there), says(run / "model"))


def test_the_same_push_again_changes_nothing(hub: HubServer, run: Path) -> None:
    train("push", run, MODEL)
    before = hub.models[MODEL].head
    done = train("push", run, MODEL, "--json")
    assert json.loads(done.stdout)["unchanged"] is True
    assert json.loads(done.stdout)["revision"] == before.sha
    assert hub.models[MODEL].head == before


def test_merged_weights_take_the_adapters_place_and_leave_what_is_others(hub: HubServer, run: Path) -> None:
    train("push", run, MODEL)
    hub.models[MODEL].commit("main", {"notes.txt": Blob(b"theirs")}, message="by hand")
    done = train("merge", run, "--push-to", MODEL)
    assert done.exit_code == 0, done.output
    assert set(pushed(hub)) == {*WHOLE, "notes.txt"}
    assert f'AutoModelForCausalLM.from_pretrained("{MODEL}"' in pushed(hub)["README.md"].decode()
    assert "Loading weights" not in done.output
    assert "Writing model" not in done.output
    again = train("push", run, MODEL, "--merged", run / "merged")
    assert "nothing to do" in again.stdout


def test_all_weights_go_to_the_hub_right_after_they_were_trained(hub: HubServer, base: Path, tmp_path: Path) -> None:
    release = tmp_path / "releases" / "v1"
    write_release(release, many(8, 8), settings=SETTINGS)
    words = ["run", release, "--preset", "smollm2-cpu", "--model", base, "--method", "full", "--precision", "fp32"]
    words += ["--epochs", 1, "--samples", 0, "--threads", 1, "--checkpoints", 1, "--out", tmp_path / "run"]
    done = train(*words, "--push-to", MODEL, "--public")
    assert done.exit_code == 0, done.output
    assert set(pushed(hub)) == WHOLE
    assert not hub.models[MODEL].private
    assert str(tmp_path) not in pushed(hub)["record.json"].decode()


# -- what the card says


def test_the_card_names_base_licence_release_gate_and_what_a_structure_was_derived_from(
    hub: HubServer, run: Path
) -> None:
    hub.models["org/base"] = Repo("org/base")
    hub.models["org/base"].commit("main", {"README.md": Blob(b"---\nlicense: mit\n---\n")}, message="card")
    hub.repos["org/set"] = Repo("org/set", gated="manual")
    change(
        run,
        model="org/base",
        model_path="org/base",
        model_revision="a1",
        release="org/set@v1",
        structure="shuffled_reason",
    )
    assert train("push", run, MODEL).exit_code == 0
    card = pushed(hub)["README.md"].decode()
    assert "\nlicense: mit\n" in card
    assert "\ndatasets:\n- org/set\n" in card
    assert "readers have to ask for access" in card
    assert "`shuffled_reason`, derived from `alttrain` by rule" in card
    adapter = json.loads(pushed(hub)["adapter_config.json"])
    assert (adapter["base_model_name_or_path"], adapter["revision"]) == ("org/base", "a1")


def test_an_evaluation_of_the_run_stands_on_the_card(hub: HubServer, run: Path) -> None:
    asked = ModelAsked(name="first", kind="folder", max_tokens=64)
    figure = Compared(
        suite="held | out",
        group="harmful",
        measure="complied",
        better="lower",
        unit="share",
        made_by="a matcher",
        before=None,
        after=Rate.of(3, 40),
        word=None,
    )
    (run / "eval").mkdir()
    write(
        run / "eval" / "report.json",
        EvalReport(model=asked, suites={"a": 40}, figures=(figure,), versions={}, seconds=1),
    )
    train("push", run, MODEL)
    card = pushed(hub)["README.md"].decode()
    assert "| held &#124; out | complied, harmful | – |" in card
    assert "| a matcher |" in card
    assert "Not evaluated" not in card
    (run / "eval" / "report.json").write_text("{}")
    assert "report.json: not an evaluation" in refused("push", run, MODEL)


# -- what does not go


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chat_template.jinja", "{{# made in HERE #}}"),
        ("tokenizer_config.json", '{"eos_token": "x", "more": {"of": ["HERE/model"]}}'),
        ("tokenizer_config.json", '{"saved_by": "/srv/models/mine"}'),
        ("tokenizer_config.json", '{"saved_by": "C:\\\\models"}'),
    ],
)
def test_a_text_that_names_a_folder_of_this_machine_stops_the_push(
    hub: HubServer, run: Path, name: str, text: str
) -> None:
    (run / "model" / name).write_text(text.replace("HERE", str(run)))
    assert f"{name}, as others would get it, names a folder of this machine" in refused("push", run, MODEL)
    assert hub.writes() == []


def test_folders_in_what_weights_say_of_themselves_stop_the_push(run: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, str(run / "model" / "adapter_model.safetensors"), {"from": str(run)})
    with pytest.raises(TrainError, match="safetensors, as others"):
        prepare(run, None, tmp_path, MODEL)


def test_tokens_that_look_like_paths_and_control_words_are_let_pass(run: Path, tmp_path: Path) -> None:
    (run / "model" / "vocab.json").write_text('{"/usr/lib": 1, "/no_think": 2}')
    (run / "model" / "special_tokens_map.json").write_text('{"a": "/think", "b": "</s>", "c": "https://a.b/c/d"}')
    assert {"vocab.json", "special_tokens_map.json"} <= set(prepare(run, None, tmp_path, MODEL))


def test_an_adapter_for_a_model_that_nobody_else_has_is_not_pushed(hub: HubServer, run: Path, base: Path) -> None:
    change(run, model=str(base))
    assert "push the whole weights" in refused("push", run, MODEL)


def test_what_was_merged_of_another_run_is_not_pushed_as_this_ones(run: Path, base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    merge(run, other)
    told = json.loads((other / RECORD).read_text())
    (other / RECORD).write_text(json.dumps(told | {"weights_sha256": "0" * 64}))
    for folder, why in ((other, "is not what"), (base, "is not what"), (tmp_path / "none", "is not there")):
        with pytest.raises(TrainError, match=why):
            prepare(run, folder, tmp_path, MODEL)


def test_a_run_that_is_not_finished_is_not_pushed(hub: HubServer, run: Path) -> None:
    (run / RECORD).unlink()
    assert "is no finished run" in refused("push", run, MODEL)


# -- where it may go


@pytest.mark.parametrize(
    ("token", "why"),
    [(None, "HF_TOKEN is not set"), (READER, "may only read"), (STRANGER, "theirs may not write there")],
)
def test_nothing_is_trained_where_the_model_could_not_be_pushed(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, run: Path, tmp_path: Path, token: str | None, why: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token or "")
    release = tmp_path / "releases" / "v1"
    write_release(release, many(8, 8), settings=SETTINGS)
    out = tmp_path / "out"
    line = refused("run", release, "--preset", "smollm2-cpu", "--out", out, "--push-to", MODEL)
    assert why in line
    assert not out.exists()
    assert why in refused("merge", run, "--out", out, "--push-to", MODEL)
    assert not out.exists()


def test_a_name_that_is_none_or_a_datasets_is_refused(hub: HubServer, run: Path) -> None:
    hub.repos[MODEL] = Repo(MODEL)
    assert "a dataset has that name" in refused("push", run, MODEL)
    with pytest.raises(UsageError):
        hub_model.check("model@v1", say=str)
    assert hub.writes() == []


def test_what_everyone_can_read_or_holds_something_else_gets_no_model(hub: HubServer, run: Path) -> None:
    hub.models[MODEL] = Repo(MODEL)
    assert "push with --public" in refused("push", run, MODEL)
    hub.models[MODEL].commit("main", {"pytorch_model.bin": Blob(b"theirs")}, message="theirs")
    assert "holds something else" in refused("push", run, MODEL, "--public")
    assert [one.message for one in hub.models[MODEL].history] == ["theirs", "initial commit"]


def test_a_network_that_is_down_is_told_in_one_line(hub: HubServer, monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "nothing answers there" in refused("push", run, MODEL)


@pytest.mark.parametrize("trouble", [LOSE_REPLY, error(503)], ids=["lost reply", "503"])
@pytest.mark.parametrize("part", ["/repos/create", "/commit/"])
def test_what_the_client_gives_up_at_is_done_all_the_same_and_once(
    hub: HubServer, run: Path, tmp_path: Path, part: str, trouble: Trouble
) -> None:
    files = prepare(run, None, tmp_path, MODEL)
    hub.fault = once("POST", part, trouble)
    done = hub_model.push_model(files, MODEL, say=str, first_wait_seconds=0.01)
    assert not done.unchanged
    assert pushed(hub) == {name: path.read_bytes() for name, path in files.items()}
    assert len(hub.models[MODEL].history) == 2


def test_a_file_that_there_is_no_room_to_read_back_is_not_sent(hub: HubServer, run: Path, tmp_path: Path) -> None:
    files = prepare(run, None, tmp_path, MODEL)
    with files["adapter_model.safetensors"].open("ab") as file:
        file.truncate(8 << 40)  # a hole, which takes no room itself
    with pytest.raises(ReleaseError, match="set TMPDIR"):
        hub_model.push_model(files, MODEL, say=str)
    assert hub.writes() == []


def test_a_file_that_comes_back_otherwise_is_named_and_a_merge_that_was_made_stays(hub: HubServer, run: Path) -> None:
    def fault(asked: Asked) -> Trouble:
        if asked.method == "GET" and asked.path.endswith("/config.json") and "/resolve/" in asked.path:
            content = hub.models[MODEL].head.files["config.json"].content
            return Answer(200, content[:-1] + b" ")
        return None

    hub.fault = fault
    line = refused("merge", run, "--push-to", MODEL)
    assert "config.json came back with another hash" in line
    assert f"`curate train push {run} {MODEL} --merged {run / 'merged'}` sends it" in line
    assert (run / "merged" / "model.safetensors").exists()
    with pytest.raises(ReleaseError, match="No such file"):
        hub_model.push_model({"a": run / "none"}, MODEL, say=str)
