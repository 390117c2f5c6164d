"""curate.toml, checked: an unknown key is an error that names its line and the nearest right key.

No secrets live here: an endpoint names the environment variable that holds its key.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from schemas.errors import SettingsError
from schemas.example import Frozen

EMBEDDED = "embedded"
"""The endpoint name that stands for the small model which the tool fetches and serves itself."""


def _as_tuple(value: object) -> object:
    if isinstance(value, dict):
        raise ValueError("is the name of an endpoint, or a list of names; a section is written [endpoints.NAME]")
    return (value,) if isinstance(value, str) else value


def _name_of_a_variable(name: str | None) -> str | None:
    # The value is not repeated: it may be the key itself, pasted where its name belongs.
    if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("not the name of an environment variable; a key itself must not stand in this file")
    return name


LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that are this machine."""


def _url_without_secrets(url: str | None) -> str | None:
    return None if url is None else url_without_secrets(url)


def url_without_secrets(url: str) -> str:
    """A server's address, without a slash at its end. Raises ValueError where it is none, or could hold a secret."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ValueError("credentials inside a URL would end up in logs: name the variable that holds the key instead")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.port == 0:  # to read it raises ValueError where it is no number, or too large a one
        raise ValueError("port 0 is no server's")
    if parts.query or parts.fragment:
        raise ValueError("a URL with a query or fragment is not a base URL (and a key in it would end up in logs)")
    return url.rstrip("/")


class Endpoint(Frozen):
    """An OpenAI-compatible server."""

    base_url: str = Field(description="as the server documents it, usually ending in /v1")
    model: str
    key_env: str | None = Field(
        default=None, description="environment variable that holds the key; none: no key is sent"
    )
    price_input: float | None = Field(default=None, ge=0, description="USD per million prompt tokens")
    price_output: float | None = Field(default=None, ge=0, description="USD per million completion tokens")
    concurrency: int = Field(default=64, ge=1, le=4096, description="most requests in flight")
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    timeout_seconds: float = Field(
        default=60.0, gt=0, description="one deadline for one request, from send to last byte"
    )
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=512, ge=16, description="most completion tokens of one reply")
    reply: Literal["auto", "json_schema", "json", "text"] = Field(
        default="auto",
        description="how structure is asked for; auto: the first of the three that the server accepts",
    )

    _not_a_key = field_validator("key_env")(_name_of_a_variable)
    _no_secrets = field_validator("base_url")(_url_without_secrets)

    @model_validator(mode="after")
    def _both_prices(self) -> "Endpoint":
        if (self.price_input is None) != (self.price_output is None):
            raise ValueError("give both price_input and price_output, or neither")
        return self

    @property
    def priced(self) -> bool:
        return self.price_input is not None

    def usd(self, tokens_in: int, tokens_out: int) -> float | None:
        """What a call costs in USD; None where the endpoint has no prices."""
        if self.price_input is None or self.price_output is None:
            return None
        return (tokens_in * self.price_input + tokens_out * self.price_output) / 1_000_000


class Review(Frozen):
    """How drafts are reviewed, and where: the embedded Argilla unless `api_url` names another."""

    api_url: str | None = Field(default=None, description="the team's own Argilla; None: the embedded one")
    api_key_env: str | None = Field(default=None, description="environment variable that holds that Argilla's API key")
    workspace: str = Field(default="curate", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Argilla workspace")
    overlap: int = Field(default=2, ge=1, le=9, description="annotators a draft")
    label_overlap: int = Field(default=1, ge=1, le=9, description="annotators a prompt in the queue of labels")
    edit_needs_second_look: bool = Field(
        default=True, description="an edited text needs an approval by someone who did not write it"
    )
    rounds: int = Field(default=2, ge=1, le=5, description="after so many the adjudicator decides")
    calibration: int = Field(default=30, ge=0, description="records of the first round, shared by everybody")
    gold_percent: float = Field(default=5.0, ge=0, le=50, description="hidden records whose right answer is known")
    repeat_percent: float = Field(default=3.0, ge=0, le=50, description="decided records, shown again")
    round_size: int = Field(
        default=200, ge=1, le=1000, description="open records at a time in an Argilla of one's own: it shuffles them"
    )
    harmful_in_a_row: int = Field(default=10, ge=1, description="most harmful records one after the other")
    suggest_decision: bool = Field(
        default=False, description="show the machine's decision beforehand; it anchors, so a share stays blind"
    )
    blind_percent: float = Field(
        default=30.0, gt=0, le=100, description="with suggest_decision: records without; only these count for agreement"
    )

    _not_a_key = field_validator("api_key_env")(_name_of_a_variable)
    _no_secrets = field_validator("api_url")(_url_without_secrets)

    @model_validator(mode="after")
    def _key_for_url(self) -> "Review":
        if (self.api_url is None) != (self.api_key_env is None):
            raise ValueError("give both api_url and api_key_env, or neither for the embedded Argilla")
        return self


class Annotators(Frozen):
    pseudonyms: bool = Field(default=True, description="names are replaced before anything is published")


class Release(Frozen):
    """What a release is made of. The defaults are the paper's 1K set: 900 harmful, 100 benign rows (METHOD)."""

    size: int = Field(default=1000, ge=2, description="rows, the test split's too")
    harmful_percent: float = Field(default=90.0, ge=0, le=100)
    hard_benign_percent: float = Field(
        default=50.0, ge=0, le=100, description="of the benign rows, at least: those that only sound harmful"
    )
    adversarial_percent: float | None = Field(
        default=None, ge=0, le=100, description="rows in an attack's framing; None: as they come"
    )
    max_source_percent: float = Field(default=100.0, gt=0, le=100, description="most rows of one source")
    max_per_family: int = Field(default=1, ge=1, description="most rows of near-duplicate prompts")
    benign_max_tokens: int = Field(default=2048, ge=64, description="a longer benign row is left out")
    tokenizer: str = Field(default="characters", description="a Hub id; characters: four of them count as a token")
    test_percent: float = Field(default=10.0, ge=0, le=50, description="rows of the test split, by family")
    seed: int = 0
    languages: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")], ...] = Field(
        default=("en",),
        min_length=1,
        description="of the prompts, by ISO 639 code: the card says so, nothing checks it",
    )


class Settings(Frozen):
    """A project's curate.toml."""

    structure: str = "alttrain"
    endpoint: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = Field(
        default=(EMBEDDED,), min_length=1, description="one name or several that share the run"
    )
    fallback: str | None = Field(
        default=None, description="takes the rows that the endpoints above refuse or cannot do"
    )
    embedded: str | None = Field(default=None, description="another embedded model, as 'org/repo:file.gguf' on the Hub")
    refusals_in_a_row: int = Field(
        default=8, ge=1, description="after so many the run stops: the provider's policy is why"
    )
    benign_max_tokens: int = Field(
        default=2048, ge=64, description="a longer benign trace is flagged (METHOD.md's cap)"
    )
    endpoints: Mapping[str, Endpoint] = Field(default_factory=dict)
    review: Review = Review()
    annotators: Annotators = Annotators()
    release: Release = Release()

    @model_validator(mode="after")
    def _known_names(self) -> "Settings":
        if EMBEDDED in self.endpoints:
            raise ValueError(f"endpoints.{EMBEDDED}: the name is taken by the built-in model; choose another")
        used = [("endpoint", name) for name in self.endpoint]
        for key, name in [*used, *([("fallback", self.fallback)] if self.fallback is not None else [])]:
            if name != EMBEDDED and name not in self.endpoints:
                near = difflib.get_close_matches(name, [EMBEDDED, *self.endpoints], 1)
                hint = f"did you mean {near[0]!r}?" if near else f"add a section [endpoints.{name or 'NAME'}]"
                raise ValueError(f"{key}: {name!r} is not defined; {hint}")
        return self


def parse_settings(text: str, where: str) -> Settings:
    """Settings out of the text of a curate.toml; `where` is its path, for messages.

    Raises SettingsError with the line, the key and how to mend it.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not valid TOML: {error}") from None
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        # A key that is misspelt is also missing under its right name: the typo is what to tell.
        errors = sorted(error.errors(include_input=False), key=lambda found: found["type"] != "extra_forbidden")
        first = errors[0]
        said = first["msg"].removeprefix("Value error, ")
        path = tuple(str(part) for part in first["loc"])
        line = _line_of(text, path or (said.partition(":")[0],))
        at = f"{where}:{line}" if line else where
        if first["type"] == "extra_forbidden":
            model = _model_of(path)
            near = difflib.get_close_matches(path[-1], list(model.model_fields), 1, cutoff=0.5)
            known = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(model.model_fields)}"
            raise SettingsError(f"{at}: unknown key {'.'.join(path)!r}; {known}") from None
        raise SettingsError(f"{at}: {'.'.join(path) + ': ' if path else ''}{said}") from None


def _model_of(path: tuple[str, ...]) -> type[Frozen]:
    """Whose keys those beside the last one of `path` are."""
    if len(path) == 3 and path[0] == "endpoints":
        return Endpoint
    sections: dict[str, type[Frozen]] = {"review": Review, "annotators": Annotators, "release": Release}
    return sections.get(path[0], Settings) if len(path) == 2 else Settings


def _line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The line (from 1) that sets the key at `path`, or the header of its table."""
    if not path:
        return None
    table: tuple[str, ...] = ()
    best = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if table == path[: len(table)]:
                best = number
        elif (key := re.match(r"""\s*["']?([\w-]+)["']?\s*=""", line)) and (*table, key[1]) == path[: len(table) + 1]:
            return number
    return best
