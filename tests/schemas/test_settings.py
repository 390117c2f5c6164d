import pytest

from schemas.errors import SettingsError
from schemas.settings import EMBEDDED, Settings, parse_settings

GPT = '[endpoints.gpt]\nbase_url = "https://example.org/v1"\nmodel = "m"\n'


def test_an_empty_file_gives_the_embedded_model_and_the_default_structure() -> None:
    settings = parse_settings("", "curate.toml")
    assert settings == Settings()
    assert settings.endpoint == (EMBEDDED,)
    assert settings.structure == "alttrain"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('structur = "alttrain"', "curate.toml:1: unknown key 'structur'; did you mean 'structure'?"),
        (
            GPT + "\nprice_imput = 1",
            "curate.toml:5: unknown key 'endpoints.gpt.price_imput'; did you mean 'price_input'?",
        ),
        ('# a comment\nendpoint = "gtp"\n' + GPT, "'gtp' is not defined; did you mean 'gpt'?"),
        ("structure = ", "not valid TOML"),
        ('[release]\nlanguages = ["en", "English"]', "curate.toml:2: release.languages.1"),
        ("[release]\nlanguages = []", "curate.toml:2: release.languages"),
        ('endpoint = "x"', "add a section [endpoints.x]"),
        (GPT + "price_input = 1", "give both price_input and price_output, or neither"),
        (GPT.replace("https://", "https://me:secret@"), "credentials inside a URL"),
        (GPT.replace("/v1", "/v1?key=secret"), "a key in it would end up in logs"),
        (GPT.replace("https:", "ftp:"), "not an http(s) URL"),
        (GPT.replace("/v1", ":99999/v1"), "endpoints.gpt.base_url: Port out of range"),
        (GPT + "concurrency = 0", "curate.toml:4: endpoints.gpt.concurrency"),
        (GPT.replace("gpt", "embedded"), "the name is taken"),
        (GPT + 'key_env = "sk-secret-pasted"', "curate.toml:4: endpoints.gpt.key_env: not the name of an environment"),
        (GPT.replace("model", "modl"), "did you mean 'model'?"),
        ('fallback = "nope"\n' + GPT, "curate.toml:1: fallback: 'nope' is not defined"),
        ("[endpoint.gpt]\nmodel = 'm'", "a section is written [endpoints.NAME]"),
        ('endpoint = ""', "add a section [endpoints.NAME]"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_how_to_mend_it(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as told:
        parse_settings(text, "curate.toml")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value)


def test_one_endpoint_may_be_given_without_a_list() -> None:
    assert parse_settings('endpoint = "gpt"\n' + GPT, "x").endpoint == ("gpt",)


def test_cost_is_told_in_usd_per_million_tokens() -> None:
    endpoint = parse_settings(GPT + "price_input = 2.5\nprice_output = 10", "x").endpoints["gpt"]
    assert endpoint.usd(1_000_000, 100_000) == pytest.approx(3.5)
    assert parse_settings(GPT, "x").endpoints["gpt"].usd(1, 1) is None
