"""The real `curate` command in a process of its own, against a server that does what each test says."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fake_endpoint import HANG, FakeEndpoint, Received, Reply, completion, error
from tests.project import CURATE, KEY, ROWS, Project, agree


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., tuple[Project, FakeEndpoint]]]:
    servers: list[FakeEndpoint] = []

    def build(script: object = agree, **settings: object) -> tuple[Project, FakeEndpoint]:
        fake = FakeEndpoint(script).__enter__()  # type: ignore[arg-type]
        servers.append(fake)
        return Project(tmp_path, fake.url, **settings), fake  # type: ignore[arg-type]

    yield build
    for server in servers:
        server.__exit__()


Make = Callable[..., tuple[Project, FakeEndpoint]]


def test_every_trace_becomes_a_draft_that_passes_with_one_question(make: Make) -> None:
    project, fake = make()
    done = project.run("generate", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["drafts"] == 8
    assert json.loads(done.stdout)["blocked"] == 0
    assert len(fake.requests) == 8
    assert project.counts() == {"drafts": 8, "failures_now": 0, "calls": 8, "leases": 0}


def test_the_verdict_question_holds_the_prompt_and_never_the_trace_or_its_answer(make: Make) -> None:
    project, fake = make()
    project.run("generate")
    sent = " ".join(json.dumps(request.body) for request in fake.requests)
    for row in ROWS:
        assert json.dumps(row["prompt"])[1:-1].split("\\n")[0] in sent
        assert row["trace"][-60:] not in sent
        assert row["answer"][-40:] not in sent


def test_a_second_run_finds_nothing_to_do_and_asks_nothing(make: Make) -> None:
    project, fake = make()
    project.run("generate")
    again = project.run("generate")
    assert "nothing to do" in again.stdout
    assert len(fake.requests) == 8


def test_an_ablation_uses_the_replies_that_were_paid_for(make: Make) -> None:
    project, fake = make()
    project.run("generate")
    for structure in ("cr_reworded", "one_wording", "no_cr", "plain_original_trace", "plain_answer_only"):
        assert project.run("generate", "--structure", structure).returncode == 0
    assert len(fake.requests) == 8
    assert project.query("SELECT COUNT(*), COUNT(DISTINCT structure) FROM drafts") == [(48, 6)]


def test_a_reply_of_another_model_is_not_used_again_under_the_new_ones_name(make: Make) -> None:
    project, fake = make()
    project.run("generate", "--limit", "2")
    path = project.folder / "curate.toml"
    path.write_text(path.read_text().replace('model = "m"', 'model = "another"'))
    project.run("generate", "--limit", "2", "--structure", "cr_reworded")
    assert len(fake.requests) == 4


def test_a_draft_names_the_endpoint_and_model_that_wrote_in_it(make: Make) -> None:
    project, _ = make()
    project.run("generate", "--limit", "1")
    project.run("generate", "--limit", "1", "--structure", "plain_answer_only")
    assert sorted(project.query("SELECT author FROM revisions")) == [("assembly",), ("fake:served-model",)]


def test_refusals_of_one_kind_of_question_are_counted_although_another_kind_is_answered(make: Make) -> None:
    def script(request: Received) -> Reply:
        if '"assessment"' in json.dumps(request.body.get("response_format")):
            return completion(None, refusal="I'm sorry, I can't help with that.")
        return completion('{"verdict": "harmful"}')

    project, _ = make(script, settings="refusals_in_a_row = 3")
    stopped = project.run("generate", "--structure", "full_rewrite")
    assert stopped.returncode == 5
    assert "policy is the likely cause" in stopped.stderr


def test_an_endpoint_named_on_the_command_line_may_be_the_fallback_of_the_settings(make: Make) -> None:
    project, _ = make(settings='fallback = "fake"')
    path = project.folder / "curate.toml"
    path.write_text(path.read_text().replace('endpoint = "fake"', 'endpoint = "embedded"'))
    assert project.run("generate", "--endpoint", "fake").returncode == 0
    assert project.counts()["drafts"] == 8


def test_the_embedded_model_shares_no_run(make: Make) -> None:
    project, fake = make()
    refused = project.run("generate", "--endpoint", "embedded", "--endpoint", "fake")
    assert refused.returncode == 2
    assert "cannot share a run" in refused.stderr
    assert not fake.requests


def test_a_dry_run_does_not_count_what_was_paid_for_already(make: Make) -> None:
    project, _ = make()
    project.run("generate")
    told = json.loads(project.run("generate", "--structure", "cr_reworded", "--dry-run", "--json").stdout)
    assert (told["rows"], told["questions"]) == (8, 0)


def test_a_shuffled_reason_comes_from_another_family_of_the_same_branch(make: Make) -> None:
    project, fake = make()
    early = project.run("generate", "--structure", "shuffled_reason")
    assert early.returncode == 2
    assert "run `curate generate --structure alttrain` first" in early.stderr
    project.run("generate")
    assert project.run("generate", "--structure", "shuffled_reason").returncode == 0
    # One row's opening says nothing, so its understanding is written; nothing else is asked for.
    assert len(fake.requests) == 8 + 1
    pairs = project.query(
        "SELECT own.reason, lent.reason, own.branch FROM drafts_now AS lent"
        " JOIN drafts_now AS own ON own.trace_id = lent.trace_id AND own.structure = 'alttrain'"
        " WHERE lent.structure = 'shuffled_reason'"
    )
    assert len(pairs) == 8
    for own, lent, branch in pairs:
        assert own != lent
        assert (str(branch),) in project.query(f"SELECT branch FROM drafts_now WHERE reason = '{lent}'")


def test_a_verdict_against_the_label_is_asked_about_again_stored_and_follows_the_label(make: Make) -> None:
    def contradict(request: Received) -> Reply:
        label = next(row["kind"] for row in ROWS if row["prompt"] in request.last_message)
        other = "benign" if label == "harmful" else "harmful"
        if '"verdict"' in json.dumps(request.body.get("response_format")):
            return completion(json.dumps({"verdict": other, "reason": "of a wrong verdict"}))
        return completion(json.dumps({"reason": f"asked again about a {label} request"}))

    project, fake = make(contradict)
    project.run("generate", "--limit", "3")
    assert len(fake.requests) == 6
    drafts = project.query("SELECT branch, model_verdict, reason FROM drafts_now")
    assert len(drafts) == 3
    for branch, verdict, reason in drafts:
        assert branch != verdict
        assert reason == f"asked again about a {branch} request"
    assert project.query("SELECT DISTINCT revisions FROM checks_by_rule WHERE rule LIKE '%verdict%'") == [(3,)]


def test_with_assume_label_no_verdict_is_asked_for(make: Make) -> None:
    project, fake = make()
    project.run("generate", "--assume-label")
    assert all('"verdict"' not in json.dumps(request.body.get("response_format")) for request in fake.requests)
    assert project.query("SELECT DISTINCT model_verdict FROM drafts") == [(None,)]


def test_a_dry_run_sends_and_writes_nothing(make: Make) -> None:
    project, fake = make(prices=True)
    dry = project.run("generate", "--dry-run", "--json")
    told = json.loads(dry.stdout)
    assert (told["rows"], told["questions"]) == (8, 8)
    assert told["usd"] > 0
    assert not fake.requests
    assert project.counts()["calls"] == 0


def test_a_budget_stops_before_it_is_passed_with_exit_code_3_and_the_same_command_goes_on(make: Make) -> None:
    project, _ = make(prices=True)
    stopped = project.run("generate", "--budget", "0.05")
    assert stopped.returncode == 3, stopped.stderr
    assert "budget reached" in stopped.stderr
    spent = float(str(project.query("SELECT SUM(usd) FROM calls")[0][0]))
    assert 0 < spent <= 0.05
    before = project.counts()
    assert 0 < before["drafts"] < 8
    assert before["failures_now"] == before["leases"] == 0
    assert project.run("generate").returncode == 0
    assert project.counts() == {"drafts": 8, "failures_now": 0, "calls": 8, "leases": 0}


def test_a_budget_without_prices_is_refused(make: Make) -> None:
    project, fake = make()
    refused = project.run("generate", "--budget", "1")
    assert refused.returncode == 2
    assert "needs prices" in refused.stderr
    assert not fake.requests


def test_a_wrong_key_stops_at_once_and_is_no_rows_fault(make: Make) -> None:
    project, fake = make([error(401, f"Incorrect API key provided: {KEY}")])
    stopped = project.run("generate")
    assert stopped.returncode == 5
    assert len(fake.requests) <= 4
    assert project.counts()["failures_now"] == 0
    assert KEY not in stopped.stderr + stopped.stdout


def test_a_key_that_is_not_set_is_named_before_anything_is_sent(make: Make) -> None:
    project, fake = make()
    stopped = project.run("generate", key=None)
    assert stopped.returncode == 5
    assert "FAKE_KEY" in stopped.stderr
    assert not fake.requests


def test_no_key_reaches_the_ledger_or_the_screen(make: Make) -> None:
    project, _ = make(lambda request: error(400, f"bad request by {request.headers['authorization']}"))
    done = project.run("generate", "--limit", "2")
    everything = b"".join(path.read_bytes() for path in project.folder.glob("curate.db*"))
    assert KEY.encode() not in everything
    assert KEY not in done.stdout + done.stderr


def test_an_endpoint_that_is_down_is_one_line_and_loses_nothing(make: Make) -> None:
    project, fake = make()
    fake.__exit__()
    stopped = project.run("generate")
    assert stopped.returncode in (0, 5)
    counts = project.counts()
    assert counts["drafts"] == counts["leases"] == 0
    if stopped.returncode == 5:
        assert "fake" in stopped.stderr.splitlines()[-1]


def test_a_reply_of_the_wrong_schema_for_ever_is_a_named_failure_that_was_paid_three_times(make: Make) -> None:
    project, fake = make([completion('{"nonsense": 1}')])
    assert project.run("generate", "--limit", "1").returncode == 0
    assert project.query("SELECT kind FROM failures_now") == [("invalid_reply",)]
    assert len(fake.requests) == 3
    assert project.query("SELECT COUNT(*) FROM calls WHERE outcome = 'invalid'") == [(3,)]


def test_a_reply_cut_by_max_tokens_is_a_named_failure(make: Make) -> None:
    project, _ = make([completion('{"verdict": "harm', finish="length")])
    project.run("generate", "--limit", "1")
    assert project.query("SELECT kind FROM failures_now") == [("cut",)]


def test_a_server_that_hangs_costs_one_deadline_a_try_and_then_the_row(make: Make) -> None:
    project, fake = make([HANG])
    (project.folder / "curate.toml").write_text(
        (project.folder / "curate.toml").read_text().replace("timeout_seconds = 20", "timeout_seconds = 0.3")
    )
    project.run("generate", "--limit", "1")
    assert project.query("SELECT kind FROM failures_now") == [("timeout",)]
    assert 2 <= len(fake.requests) <= 4


def test_a_refusal_is_never_sent_back_as_a_schema_error_and_many_in_a_row_stop_the_run(make: Make) -> None:
    project, fake = make(
        [completion(None, refusal="I'm sorry, I can't help with that.")], settings="refusals_in_a_row = 3"
    )
    stopped = project.run("generate")
    assert stopped.returncode == 5
    assert "policy is the likely cause" in stopped.stderr
    assert len(fake.requests) <= 8
    assert {kind for (kind,) in project.query("SELECT kind FROM failures_now")} == {"refused"}


def test_failed_rows_are_left_alone_until_they_are_asked_for(make: Make) -> None:
    broken = True

    def script(request: Received) -> Reply:
        return completion('{"nonsense": 1}') if broken else agree(request)

    project, fake = make(script)
    project.run("generate", "--limit", "2")
    broken = False
    asked = len(fake.requests)
    project.run("generate")
    assert project.counts()["drafts"] == 6
    assert len(fake.requests) == asked + 6
    project.run("generate", "--retry-failed")
    assert project.counts() | {"calls": 0} == {"drafts": 8, "failures_now": 0, "calls": 0, "leases": 0}


def slowly(request: Received) -> Reply:
    reply = agree(request)
    return Reply(body=reply.body, delay_seconds=0.4)


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


def test_sigkill_loses_nothing_and_the_same_command_pays_only_for_what_was_in_flight(make: Make) -> None:
    project, fake = make(slowly)
    victim = project.start("generate")
    wait_for(lambda: len(project.query("SELECT 1 FROM drafts")) >= 2)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    kept = project.query("SELECT id FROM drafts")
    assert project.run("generate").returncode == 0
    assert project.counts()["drafts"] == 8
    assert set(kept) <= set(project.query("SELECT id FROM drafts"))
    assert len(fake.requests) <= 8 + 4


def test_ctrl_c_keeps_what_is_in_flight_and_exits_with_130(make: Make) -> None:
    project, fake = make(slowly)
    path = project.folder / "curate.toml"
    path.write_text(path.read_text().replace("concurrency = 4", "concurrency = 2"))
    running = project.start("generate")
    wait_for(lambda: len(fake.requests) >= 2)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in err
    counts = project.counts()
    assert counts["drafts"] == counts["calls"] == len(fake.requests) < 8
    assert counts["leases"] == 0


def test_a_second_ctrl_c_quits_at_once_and_leaves_no_lease(make: Make) -> None:
    project, fake = make([HANG])
    running = project.start("generate")
    wait_for(lambda: len(fake.requests) >= 4)
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert project.counts() == {"drafts": 0, "failures_now": 0, "calls": 0, "leases": 0}


def test_two_at_once_share_the_rows(make: Make) -> None:
    project, fake = make(slowly)
    both = [project.start("generate", "--limit", "8") for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
    project.run("generate")
    assert project.counts()["drafts"] == 8
    assert len(fake.requests) == 8


def test_a_fallback_takes_what_the_first_endpoint_refuses(make: Make, tmp_path: Path) -> None:
    project, _ = make([completion(None, refusal="I'm sorry, I can't help with that.")])
    with FakeEndpoint(agree) as second:
        settings = (project.folder / "curate.toml").read_text()
        (project.folder / "curate.toml").write_text(
            'fallback = "second"\n' + settings + f'[endpoints.second]\nbase_url = "{second.url}"\nmodel = "m2"\n'
        )
        assert project.run("generate").returncode == 0
        assert project.counts()["drafts"] == 8
        assert len(second.requests) == 8


@pytest.mark.parametrize(
    ("settings", "words", "said"),
    [
        ('structure = "altrain"', ("generate",), "altrain"),
        ("concurency = 3", ("generate",), "unknown key"),
        ("", ("generate", "--structure", "nope"), "nope"),
        ("", ("generate", "--endpoint", "nope"), "no endpoint 'nope'"),
        ("", ("show", "d0000000000000000"), "d0000000000000000"),
    ],
)
def test_a_mistake_is_one_line_with_exit_code_2(make: Make, settings: str, words: tuple[str, ...], said: str) -> None:
    project, fake = make()
    text = (project.folder / "curate.toml").read_text()
    (project.folder / "curate.toml").write_text(settings + "\n" + text)
    done = project.run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not fake.requests


def test_outside_a_project_the_command_says_how_to_make_one(tmp_path: Path) -> None:
    done = subprocess.run([CURATE, "generate"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.search(r"curate init NAME", done.stderr)
