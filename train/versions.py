"""What was installed when something was trained or measured."""

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

MEASURED_WITH = ("alttrain", "inspect-ai", "peft", "torch", "transformers", "vllm")
"""What the figures of an evaluation hang on; an endpoint needs less of it."""


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Python's version, and by name, as package indexes spell it, those of what is installed of these."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
