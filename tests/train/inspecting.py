"""Marks of tests that run inspect_ai in this process, in which warnings are errors."""

import pytest

QUIET = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages that inspect_ai and torch import
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # clients and streams that it leaves to be collected
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("leftovers_collected"),
]
