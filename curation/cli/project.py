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
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise SettingsError(f"{path}: no project here; `curate init NAME` makes one, -C names its folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    return parse_settings(text, str(path))


def open_ledger(project: Path) -> Ledger:
    return Ledger.open(project / LEDGER_FILE)
