"""A project folder: its settings and its ledger."""

from pathlib import Path

from curation.ledger import Ledger
from schemas.errors import SettingsError
from schemas.settings import Settings, parse_settings

SETTINGS_FILE = "curate.toml"
LEDGER_FILE = "curate.db"


def load_settings(project: Path) -> Settings:
    """The project's curate.toml. Raises SettingsError: no such file, not readable, or what is wrong in it."""
    path = project / SETTINGS_FILE
    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError:
        raise SettingsError(f"{path}: no project here; `curate init NAME` makes one, -C names its folder") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: not UTF-8 text; save it as UTF-8") from None
    return parse_settings(text, str(path))


def open_ledger(project: Path) -> Ledger:
    return Ledger.open(project / LEDGER_FILE)
