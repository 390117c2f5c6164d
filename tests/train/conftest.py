"""A tokenizer and a form of the model that a test names by a fixture or a parameter `model`."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from tests.train.small_tokenizers import shared_tokenizer
from train.templates import Form, form_of


@pytest.fixture
def tokenizer(model: str) -> Any:
    return shared_tokenizer(model)


@pytest.fixture
def form(tokenizer: Any, model: str) -> Form:
    return form_of(tokenizer, model)


@pytest.fixture(scope="module")
def leftovers_collected() -> Iterator[None]:
    """inspect_ai leaves open clients and streams to be collected: here, where the module's marks let them pass, and not
    in the middle of another's test."""
    yield
    gc.collect()
