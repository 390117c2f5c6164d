"""What was installed when something was measured: versions of Python, this package and those that figures hang on."""

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

_TOLD = ("alttrain", "inspect-ai", "peft", "torch", "transformers", "vllm")


def versions() -> Mapping[str, str]:
    """By name, as package indexes spell it; what is not installed is left out."""
    found = {"python": sys.version.split()[0]}
    for name in _TOLD:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an endpoint needs no torch
            continue
    return found
