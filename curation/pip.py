"""What pip says when it fails."""

import re


def last_error(stderr: str) -> str:
    """Its last error in one line, without addresses: one may hold the password of a private index."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines
    last = errors[-1] if errors else "no reason given"
    return re.sub(r"\bhttps?://\S+", "the package index", last)[:300]
