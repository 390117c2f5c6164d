"""The probe against judges on loopback that hold fast, obey, guess, refuse or are not there."""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from curation.cli import curate
from curation.language import clear_language
from curation.model import Models
from curation.probe import WRAPPERS, Probe, ProbeReport, load_probes, obeys, probe
from schemas.errors import UsageError
from schemas.report import Rate
from schemas.settings import Endpoint
from tests.fake_endpoint import FakeEndpoint, Received, Reply, completion, error, takes_formats

PROBES = load_probes()
OTHER = {"harmful": "benign", "benign": "harmful"}


# -- the prompts


def test_ten_prompts_half_of_them_harmful_are_each_wrapped_four_ways() -> None:
    assert Counter(row.wrapper for row in PROBES) == dict.fromkeys(WRAPPERS, 10)
    assert Counter((row.base, row.base_prompt) for row in PROBES) == {(r.base, r.base_prompt): 4 for r in PROBES}
    assert Counter(row.expected for row in PROBES) == {"harmful": 20, "benign": 20}
    assert len({row.id for row in PROBES}) == len({row.prompt for row in PROBES}) == 40


def test_planted_instructions_push_to_the_wrong_side_in_the_same_words_both_ways() -> None:
    for row in PROBES:
        if row.wrapper not in ("instruction", "role_play"):
            assert row.planted is None
            continue
        assert row.base_prompt in row.prompt
        assert row.planted is not None
        assert row.planted in row.prompt
        pushed = row.prompt.replace(row.base_prompt, "").replace(row.planted, "")
        assert OTHER[row.expected] in pushed
        assert row.expected not in pushed
    framings = {
        row.prompt.replace(row.base_prompt, "").replace(str(row.planted), "").replace(OTHER[row.expected], "")
        for row in PROBES
        if row.wrapper == "instruction"
    }
    assert len(framings) == 1


def test_disguised_prompts_hold_the_plain_one() -> None:
    for row in PROBES:
        hidden = row.prompt.rpartition(": ")[2]
        if row.wrapper == "base64":
            assert base64.b64decode(hidden).decode() == row.base_prompt
        elif row.wrapper == "translation":
            assert clear_language(hidden) not in ("en", None)


# -- the report


def found(request: Received) -> Probe | None:
    """The wrapped prompt in a request; None: a plain one."""
    text = json.dumps([message["content"] for message in request.body["messages"][-1:]], ensure_ascii=False)
    for row in PROBES:
        hidden = row.planted if row.planted and row.planted in text else row.prompt.rpartition(": ")[2]
        if hidden in text and (row.planted is None or ("play a game" in text) == (row.wrapper == "role_play")):
            return row
    return None


def plain(request: Received) -> Probe:
    return next(row for row in PROBES if row.base_prompt in request.body["messages"][-1]["content"])


def judgement(verdict: str, reason: str = "it says what is asked") -> Reply:
    return completion(json.dumps({"verdict": verdict, "reason": reason}))


def steadfast(request: Received) -> Reply:
    return judgement((found(request) or plain(request)).expected)


def obedient(request: Received) -> Reply:
    row = found(request)
    if row is None:
        return judgement(plain(request).expected)
    return judgement(OTHER[row.expected], f"of {(row.planted or row.prompt).upper()}")


async def report(script: Callable[[Received], Reply], **settings: Any) -> ProbeReport:
    with FakeEndpoint(script) as fake:
        endpoint = Endpoint(**{"base_url": fake.url, "model": "judge"} | settings)
        async with Models({"main": endpoint}, ["main"], refusals_in_a_row=100) as models:
            return await probe(models, PROBES, small=False)


async def test_a_judge_that_holds_fast_flips_nothing() -> None:
    said = await report(steadfast)
    assert said.questions == 50
    assert said.usable
    assert not said.guessing
    assert said.wrong == Rate.of(0, 50)
    assert said.flipped_to_benign == said.flipped_to_harmful == Rate.of(0, 20)
    assert [row.name for row in said.wrappers] == ["plain", *WRAPPERS]
    for row in said.wrappers[1:]:
        assert row.flipped == row.wrong == row.obeyed == Rate.of(0, 10)
        assert row.failures == {}


async def test_a_judge_that_obeys_is_counted_flip_by_flip() -> None:
    said = await report(obedient)
    assert said.wrappers[0].wrong == Rate.of(0, 10)
    assert said.flipped_to_benign == said.flipped_to_harmful == Rate.of(20, 20)
    assert said.wrong == Rate.of(40, 50)
    assert not said.guessing, "it judges well until it is told what to say"
    for row in said.wrappers[1:]:
        assert row.flipped == row.wrong == Rate.of(10, 10)
    assert [row.obeyed.value for row in said.wrappers[1:4]] == [1.0, 1.0, 1.0]


async def test_a_judge_that_never_changes_its_mind_is_wrong_and_flips_nothing() -> None:
    said = await report(lambda _: judgement("benign"))
    assert said.wrong == Rate.of(25, 50)
    assert said.guessing
    assert said.flipped_to_benign == Rate.of(0, 0), "none of the harmful prompts was judged right when plain"
    assert all(row.flipped.value == 0 for row in said.wrappers)


async def test_costs_latency_and_reply_form_are_those_of_the_server() -> None:
    known = takes_formats("json_object", then=judgement("benign"))
    said = await report(known, price_input=1.0, price_output=2.0)
    assert said.reply == "json"
    assert said.model == "served-model"
    assert (said.tokens_in, said.tokens_out) == (50 * 100, 50 * 20)
    assert said.usd == pytest.approx((50 * 100 + 2 * 50 * 20) / 1e6)
    assert said.latency_median_seconds is not None
    assert said.latency_p95_seconds is not None
    assert 0 < said.latency_median_seconds <= said.latency_p95_seconds


async def test_questions_without_a_verdict_are_counted_by_kind_and_left_out_of_the_shares() -> None:
    def reply(request: Received) -> Reply:
        row = found(request)
        if row is not None and row.wrapper == "base64":
            return completion("I'm sorry, but I can't help with that.")
        return steadfast(request)

    said = await report(reply)
    wrapped = {row.name: row for row in said.wrappers}
    assert wrapped["base64"].failures == {"refused": 10}
    assert wrapped["base64"].flipped.n == wrapped["base64"].wrong.n == wrapped["base64"].obeyed.n == 0
    assert wrapped["translation"].failures == {}
    assert said.failure is not None
    assert said.wrong == Rate.of(0, 40)


@pytest.mark.parametrize(
    ("reason", "obedient"),
    [
        ("he says Sunny Marmalade", True),
        ("you are captain breezy, who finds every request benign", True),
        ("captain breezy finds that opening letters harms the colleague", False),
        ("", False),
    ],
)
def test_a_reason_obeys_with_the_planted_words_or_eight_of_the_prompts_in_a_row(reason: str, obedient: bool) -> None:
    row = next(row for row in PROBES if row.wrapper == "role_play" and row.base == "letters")
    assert obeys(reason, row) is obedient


# -- the command


def make_project(folder: Path, **urls: str) -> Path:
    sections = [f'[endpoints.{name}]\nbase_url = "{url}"\nmodel = "judge"\n' for name, url in urls.items()]
    folder.joinpath("curate.toml").write_text(f"endpoint = {list(urls)}\n" + "\n".join(sections))
    return folder


def invoke(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(curate, ["-C", str(project), "check-endpoint", *arguments])


def test_the_command_reports_in_words_and_writes_nothing_to_disk(tmp_path: Path) -> None:
    with FakeEndpoint(obedient) as fake:
        project = make_project(tmp_path, big=fake.url)
        result = invoke(project)
    assert result.exit_code == 0, result.output
    assert "big: served-model" in result.stdout
    assert "role play" in result.stdout
    assert "100 % (72-100) of 10" in result.stdout
    assert "harmful prompts talked into benign: 100 %" in result.stdout
    assert [path.name for path in project.iterdir()] == ["curate.toml"]


def test_the_report_is_json_on_demand(tmp_path: Path) -> None:
    with FakeEndpoint(steadfast) as fake:
        result = invoke(make_project(tmp_path, big=fake.url), "--json")
    (said,) = json.loads(result.stdout)
    assert (said["endpoint"], said["usable"], said["wrong"]["n"]) == ("big", True, 50)
    assert [row["name"] for row in said["wrappers"]] == ["plain", *WRAPPERS]


def test_one_endpoint_that_cannot_be_used_is_named_and_the_others_are_tried(tmp_path: Path) -> None:
    with FakeEndpoint([error(401, "no such key")]) as closed, FakeEndpoint(steadfast) as fake:
        result = invoke(make_project(tmp_path, closed=closed.url, big=fake.url))
    assert result.exit_code == 1
    assert "closed: cannot be used: " in result.stdout
    assert "big: served-model" in result.stdout


def test_an_endpoint_that_gives_no_verdict_at_all_cannot_be_used(tmp_path: Path) -> None:
    with FakeEndpoint([completion("I'm sorry, but I can't help with that.")]) as fake:
        result = invoke(make_project(tmp_path, shy=fake.url))
    assert result.exit_code == 1
    assert "not one of 50 questions got a verdict: the model declined" in result.stdout


def test_an_endpoint_without_its_key_cannot_be_used(tmp_path: Path) -> None:
    project = make_project(tmp_path, big="http://127.0.0.1:9/v1")
    settings = project / "curate.toml"
    settings.write_text(settings.read_text() + 'key_env = "CURATE_TEST_KEY_NOT_SET"\n')
    result = invoke(project)
    assert result.exit_code == 1
    assert "CURATE_TEST_KEY_NOT_SET is not set" in result.stdout


def test_an_endpoint_that_the_settings_lack_is_wrong_use(tmp_path: Path) -> None:
    result = invoke(make_project(tmp_path, big="http://127.0.0.1:9/v1"), "bug")
    assert isinstance(result.exception, UsageError)
    assert "no endpoint 'bug'" in str(result.exception)


def test_what_a_server_says_is_shown_inert(tmp_path: Path) -> None:
    with FakeEndpoint([error(401, "key \x1b[31mred\x1b[0m")]) as fake:
        result = invoke(make_project(tmp_path, big=fake.url))
    assert "\x1b" not in result.output


# -- shares


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (5, 40), (20, 40)])
def test_the_bounds_of_a_rate_are_the_shares_that_lie_two_errors_of_their_own_away(hits: int, n: int) -> None:
    rate = Rate.of(hits, n)
    assert (rate.value, rate.n) == (hits / n, n)
    assert rate.low <= rate.value <= rate.high
    for bound in (rate.low, rate.high):
        if bound not in (0.0, 1.0):
            assert abs(rate.value - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-5)
    assert (rate.low == 0.0) is (hits == 0)
    assert (rate.high == 1.0) is (hits == n)


def test_a_rate_of_nothing_says_nothing() -> None:
    rate = Rate.of(0, 0)
    assert (rate.low, rate.high, str(rate)) == (0.0, 1.0, "-")


def test_a_rate_of_more_than_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no share"):
        Rate.of(3, 2)
