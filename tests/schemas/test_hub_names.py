"""How a Hub, a dataset there and a release are named, and what is no such name."""

import pytest

from schemas.errors import UsageError
from schemas.hub import RepoName, hub_address, parse_bare_repo, parse_repo, require_release_name


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("org/name", RepoName("org/name", None)),
        ("Org-1/a_b.c-d", RepoName("Org-1/a_b.c-d", None)),
        ("org/name@v1", RepoName("org/name", "v1")),
        ("org/name@refs/convert/parquet", RepoName("org/name", "refs/convert/parquet")),
    ],
)
def test_a_name_is_org_and_name_and_may_have_a_revision(text: str, parsed: RepoName) -> None:
    assert parse_repo(text) == parsed


OTHER = "name|org/|/name|a/b/c|org/na me|org/name@|org/name@a b|org/name@../x|org/a--b|org/name.git|./name|../name"
MORE = "|org/name\n|org/..|https://host/org/name|org/-name|org/name@-x|org/n" + "n" * 5000


@pytest.mark.parametrize("text", [*OTHER.split("|"), *MORE.split("|")])
def test_anything_else_is_no_name_and_a_short_line_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="write org/name") as caught:
        parse_repo(text)
    assert len(str(caught.value)) < 220


def test_a_name_to_push_to_has_no_revision() -> None:
    assert parse_bare_repo("org/name") == "org/name"
    with pytest.raises(UsageError, match="write org/name, and its tag apart"):
        parse_bare_repo("org/name@v1")


@pytest.mark.parametrize("name", ["v1", "0", "small-2_x.y", "n" * 64])
def test_a_release_may_be_called_so(name: str) -> None:
    require_release_name(name)


@pytest.mark.parametrize("name", ["", "main", "HEAD", "v 1", "-v", "v1.lock", "a..b", "a/b", "v1\n", "v1.", "n" * 65])
def test_what_git_would_not_take_as_a_tag_is_no_releases_name(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a release"):
        require_release_name(name)


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (None, "https://huggingface.co"),
        ("", "https://huggingface.co"),
        (" ", "https://huggingface.co"),
        (" http://127.0.0.1:8080/ ", "http://127.0.0.1:8080"),
        ("http://[::1]:80/hub/", "http://[::1]:80/hub"),
        ("https://someone:secret@hub.example", "https://someone:secret@hub.example"),
    ],
)
def test_an_address_of_a_hub_is_taken_as_it_is_meant(told: str | None, address: str) -> None:
    assert hub_address(told) == address


NONE = (
    "hub.example|ftp://hub.example|http://|https:///x|http://a b|http://hub:99999|http://hub:0|http://hub:x|http://[::1"
)


@pytest.mark.parametrize("told", [*NONE.split("|"), "http://?x", "http://hub?x=1", "http://hub#x", "http://a\nb"])
def test_what_is_no_address_of_a_hub_is_told_in_one_line(told: str) -> None:
    with pytest.raises(UsageError, match=r"HF_ENDPOINT: .* is no address like https://huggingface\.co") as caught:
        hub_address(told)
    assert "\n" not in str(caught.value)


def test_a_wrong_address_is_told_without_the_password_in_it() -> None:
    with pytest.raises(UsageError) as caught:
        hub_address("http://someone:secret@hub:99999")
    assert "secret" not in str(caught.value)
