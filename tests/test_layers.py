"""The direction of imports: schemas at the ground; curation, exports and train above it, never each other."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("schemas", "curation", "exports", "train")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _allowed(path: Path) -> set[str]:
    relative = path.relative_to(ROOT)
    if relative.parts[:2] == ("curation", "cli"):
        return set(FOLDERS)
    return {"schemas", relative.parts[0]}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_imports_only_itself_and_schemas(path: Path) -> None:
    ours = {name.split(".")[0] for name in _imports(path)} & set(FOLDERS)
    assert ours <= _allowed(path)


@pytest.mark.parametrize("path", sorted((ROOT / "schemas").rglob("*.py")), ids=lambda path: path.name)
def test_schemas_stand_on_pydantic_and_the_standard_library_alone(path: Path) -> None:
    outside = {name.split(".")[0] for name in _imports(path)} - {"schemas", "pydantic"}
    assert outside <= sys.stdlib_module_names


TAG = re.compile(r"<[\\/?()]{0,6}think", re.IGNORECASE)
"""A thinking tag, or a pattern for one."""


def _strings(source: str) -> Iterator[str]:
    """Every string of some code, but for docstrings and other strings that stand alone."""
    nodes = list(ast.walk(ast.parse(source)))
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_think_knows_how_the_thinking_tags_are_spelled(path: Path) -> None:
    if path.relative_to(ROOT) == Path("schemas/think.py"):
        return
    assert not [text for text in _strings(path.read_text("utf-8")) if TAG.search(text)]


def test_a_tag_is_found_in_any_string_of_code_and_in_no_docstring() -> None:
    code = '"""<think> marks it."""\nA = 1\n"""Not </think>."""\n{}\n'
    for spelled in ('B = "a </think> b"', 'f"<think>{A}"', 'B = r"|</?think>"', 'call("<think>")', 'B = r"<\\/think"'):
        assert [text for text in _strings(code.format(spelled)) if TAG.search(text)], spelled
    assert not [text for text in _strings(code.format('B = "I think > you"')) if TAG.search(text)]
