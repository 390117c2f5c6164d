"""Packages that not every command needs: told in one line where they are not there."""

import importlib.util
from typing import Literal

from schemas.errors import UsageError

_PACKAGES = {"train": ("torch", "transformers", "peft", "trl", "accelerate"), "eval": ("inspect_ai",)}


def require(extra: Literal["train", "eval"]) -> None:
    """Raises UsageError where packages of an extra of pyproject.toml are not installed. Imports none of them."""
    if missing := [name for name in _PACKAGES[extra] if importlib.util.find_spec(name) is None]:
        raise UsageError(
            f"this needs packages that are not here ({', '.join(missing)}): pip install 'alttrain[{extra}]'"
        )
