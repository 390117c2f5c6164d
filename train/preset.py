"""Presets: a recipe for a backbone, as a YAML file in train/presets/ or one of the user's own.

load_preset("r1-distill-llama-8b")
load_preset("mine.yaml")
"""

import difflib
from pathlib import Path

import yaml
from pydantic import ValidationError

from schemas.errors import UsageError
from schemas.example import Frozen
from schemas.training import MemoryPart, Preset, Recipe, Shape

PACKAGED = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """The packaged presets, sorted."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def load_preset(name_or_path: str) -> Preset:
    """A packaged preset by its name, or one's own by the path of a YAML file.

    Raises UsageError in one line: no such preset or file, with the nearest name; a file that is no YAML or holds a key
    or value that a preset cannot have.
    """
    if name_or_path.endswith((".yaml", ".yml")) or "/" in name_or_path:
        return parse_preset(_text(Path(name_or_path)), name_or_path)
    if name_or_path in preset_names():
        path = PACKAGED / f"{name_or_path}.yaml"
        return parse_preset(_text(path), str(path))
    near = difflib.get_close_matches(name_or_path, preset_names(), 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"no preset {name_or_path!r}; {hint}There are: {', '.join(preset_names())}, or a YAML file")


def parse_preset(text: str, where: str) -> Preset:
    """A preset out of a YAML file's text; `where` is its path, for messages.

    Raises UsageError with the key, and the nearest right one where it is unknown.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{where}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that no calendar has
        raise UsageError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UsageError(f"{where}: nested deeper than any preset") from None
    try:
        return Preset.model_validate(data)
    except ValidationError as error:
        # A key that is misspelt is also missing under its right name: the typo is what to tell.
        errors = sorted(error.errors(include_input=False), key=lambda found: found["type"] != "extra_forbidden")
        path = tuple(str(part) for part in errors[0]["loc"])
        if errors[0]["type"] == "extra_forbidden":
            known = list(_model_of(path).model_fields)
            near = difflib.get_close_matches(path[-1], known, 1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {'.'.join(path)!r}; {hint}") from None
        said = errors[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"{where}: {'.'.join(path) or 'the file'}: {said}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; name a YAML file, or one of {', '.join(preset_names())}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def _model_of(path: tuple[str, ...]) -> type[Frozen]:
    """Whose keys those beside the last one of `path` are."""
    sections: dict[str, type[Frozen]] = {"recipe": Recipe, "shape": Shape, "memory": MemoryPart}
    return sections.get(path[0], Preset) if len(path) > 1 else Preset
