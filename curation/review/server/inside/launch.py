"""Runs argilla-server in the folder that holds its state, on a socket that process.py has bound, until it is told off.

process.py starts it with the folder as its working directory:

    python -I -c "…main()" SOCKET [--with-parent]

SOCKET is an inherited file descriptor. With --with-parent it ends when its standard input closes, that is with the
process that started it, however that ended. Everything it says goes to standard error: server.log.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

CREDENTIALS = "credentials.json"
PAGE = Path("page")
"""The page's files, copied and mended at each start."""

DATABASE = Path("argilla.db")
CONNECTIONS = 40
"""To the database. A request may hold two, and a page asks for several things at once."""

STOP_SECONDS = 5
"""How long requests in work may go on when the server is told to stop."""

ENVIRONMENT = {
    "ARGILLA_HOME_PATH": ".",
    # Without a path in it: a project's path may hold characters that mean something in an address.
    "ARGILLA_DATABASE_URL": f"sqlite+aiosqlite:///{DATABASE}",
    "ARGILLA_DATABASE_SQLITE_TIMEOUT": "30",
    "ARGILLA_SEARCH_ENGINE": "sqlite",
    "ARGILLA_CORS_ORIGINS": "[]",
    "ARGILLA_DOCS_ENABLED": "false",
    "ARGILLA_ENABLE_SHARE_YOUR_PROGRESS": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_OFFLINE": "1",
}


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    os.umask(0o077)
    # uvicorn sends itself the signal once more when it is done; it should not end what comes after.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    owner = json.loads(Path(CREDENTIALS).read_text("utf-8"))
    os.environ |= ENVIRONMENT
    # Set here and not by the parent: an environment can be read from outside for as long as its process lives.
    os.environ["ARGILLA_AUTH_SECRET_KEY"] = owner["secret_key"]
    shutil.rmtree(PAGE, ignore_errors=True)
    PAGE.mkdir()
    try:
        serve(listening, owner, with_parent="--with-parent" in sys.argv)
    except KeyboardInterrupt:
        pass
    finally:
        shutil.rmtree(PAGE, ignore_errors=True)


def serve(listening: socket.socket, owner: dict[str, str], *, with_parent: bool) -> None:
    app = load()
    migrate()  # before anything opens the file, and by that makes it
    from . import engine, jobs, page, patches

    patches.install()
    jobs.install()
    statics = next(route.app.directory for route in app.routes if route.name == "static")
    policy = page.mend(Path(statics))
    prepare(engine.SCHEMA)
    make_owner(owner)

    import uvicorn

    config = uvicorn.Config(
        page.with_headers(app, policy),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    if with_parent:
        threading.Thread(target=partial(stop_with_parent, server), daemon=True).start()
    server.run(sockets=[listening])


def stop_with_parent(server: Any) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True


def load() -> Any:
    """argilla_server's application. It copies its page to a temporary folder while it is imported."""
    import sqlalchemy
    import sqlalchemy.ext.asyncio as asynchronous

    # Its own pool of 15 connections runs dry when eight people work; parameters in error messages would put keys and
    # texts of records into the log.
    asynchronous.create_async_engine = partial(
        asynchronous.create_async_engine, pool_size=CONNECTIONS, max_overflow=0, hide_parameters=True
    )
    tempfile.tempdir = str(PAGE.resolve())
    import argilla_server

    tempfile.tempdir = None
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", sync_seldom)
    return argilla_server.app


def sync_seldom(connection: Any, record: Any) -> None:
    """An answer survives that the process is killed; a power cut may lose the last ones."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def migrate() -> None:
    """Argilla's tables. A new file takes its name when it is whole: half a migration could not be gone on with."""
    from alembic import command
    from alembic.config import Config
    from argilla_server.database import ALEMBIC_CONFIG_FILE
    from argilla_server.settings import settings

    new = not DATABASE.exists()
    part = Path(f"{DATABASE}.part")
    part.unlink(missing_ok=True)
    if new:
        settings.database_url = f"sqlite+aiosqlite:///{part}"
    # Not from its file: the logging settings in there would silence every logger but Alembic's.
    config = Config()
    config.set_main_option("script_location", str(Path(ALEMBIC_CONFIG_FILE).with_name("alembic")))
    command.upgrade(config, "head")
    if new:
        settings.database_url = ENVIRONMENT["ARGILLA_DATABASE_URL"]
        part.rename(DATABASE)


def prepare(schema: tuple[str, ...]) -> None:
    """Write-ahead logging, what the engine needs, and what a killed server left undone."""
    connection = sqlite3.connect(DATABASE, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema:
        connection.execute(statement)
    # Upstream stores an answer and the status of its record in two transactions.
    connection.execute(
        """UPDATE records SET status = due.status FROM (
               SELECT r.id, CASE WHEN count(p.id) >= json_extract(d.distribution, '$.min_submitted')
                            THEN 'completed' ELSE 'pending' END AS status
               FROM records r JOIN datasets d ON d.id = r.dataset_id
               LEFT JOIN responses p ON p.record_id = r.id AND p.status = 'submitted'
               GROUP BY r.id) due
           WHERE due.id = records.id AND due.status <> records.status"""
    )
    connection.execute("COMMIT")
    connection.close()


def make_owner(owner: dict[str, str]) -> None:
    """The owner of credentials.json, and their password and key where the file holds another owner's: a restored one.

    Upstream's own way to make a user prints the key.
    """
    from argilla_server.contexts.accounts import hash_password
    from argilla_server.database import SyncSessionLocal
    from argilla_server.models import User, UserRole
    from sqlalchemy import select

    with SyncSessionLocal() as db:
        user = db.scalar(select(User).where(User.username == owner["username"]))
        if user is None:
            user = User(first_name=owner["username"], username=owner["username"], role=UserRole.owner)
            db.add(user)
        if user.api_key != owner["api_key"]:
            user.api_key = owner["api_key"]
            user.password_hash = hash_password(owner["password"])
        db.commit()
    SyncSessionLocal.remove()
