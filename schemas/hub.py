"""How a Hub, a dataset there and a release of it are named, checked before anything is asked or imported.

parse_repo("org/name@v1")                     RepoName("org/name", "v1")
require_release_name("v1")                    a folder's name, and a tag on the Hub
hub_address(os.environ.get("HF_ENDPOINT"))    "https://huggingface.co" where it is not set

huggingface_hub reads HF_ENDPOINT when it is imported, and ends in a traceback where that is no address.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.errors import UsageError

HUGGING_FACE = "https://huggingface.co"
MAIN = "main"
LONGEST_NAME = 96

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?")
_RELEASE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")


class RepoName(NamedTuple):
    repo: str
    revision: str | None
    """A branch, a tag or a commit; None: the newest."""


def parse_repo(text: str) -> RepoName:
    """`org/name` or `org/name@revision`. Raises UsageError for anything else."""
    found = _REPO.fullmatch(text)
    if found is None or len(found["repo"]) > LONGEST_NAME or re.search(r"--|\.\.|\.git(@|$)", text):
        raise UsageError(
            f"{text[:100]!r}: not a name on the Hub; write org/name, or org/name@v1 for one revision of it"
        )
    return RepoName(found["repo"], found["revision"])


def parse_bare_repo(text: str) -> str:
    """`org/name`, for what makes a revision of its own. Raises UsageError for anything else."""
    name = parse_repo(text)
    if name.revision is not None:
        raise UsageError(f"{text[:100]!r}: a push makes a revision of its own; write {name.repo}, and its tag apart")
    return name.repo


def require_release_name(name: str) -> None:
    """Raises UsageError for what can be no folder's name or no tag on the Hub."""
    if not _RELEASE.fullmatch(name) or ".." in name or name.endswith(".lock") or name in (MAIN, "HEAD"):
        raise UsageError(
            f"{name[:100]!r}: no name for a release; take one like v1, of letters, digits, '.', '_' and '-'"
        )


def hub_address(told: str | None) -> str:
    """What HF_ENDPOINT says, without blanks and a slash at its end. Raises UsageError where that is no address."""
    address = (told or "").strip().rstrip("/") or HUGGING_FACE
    try:
        parts = urlsplit(address)
        port = parts.port  # read here: only then is it looked at
        sound = parts.scheme in ("http", "https") and parts.hostname and port != 0
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s?#\x00-\x1f]", address):
        raise UsageError(
            f"HF_ENDPOINT: {without_password(address)!r} is no address like {HUGGING_FACE}; mend or unset it"
        )
    return address


def without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
