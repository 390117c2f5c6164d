"""A tokenizer and a form of the model that a test names by a fixture or a parameter `model`."""

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
