"""Argilla's background jobs, done in this process: there is no Redis and no worker here.

Upstream hands a job to a queue with `job.delay(...)`. Here `delay` starts a task of the server's own event loop. A job
that a killed server leaves undone is caught up with at the next start (launch.py).
"""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID

import argilla_server._app
from argilla_server.api.handlers.v1 import jobs as job_handlers
from argilla_server.contexts import distribution
from argilla_server.database import AsyncSessionLocal
from argilla_server.errors.future import NotFoundError, UnprocessableEntityError
from argilla_server.jobs import dataset_jobs, hub_jobs, webhook_jobs
from argilla_server.models import Record, Response, Webhook
from argilla_server.search_engine import SearchEngine
from argilla_server.settings import settings
from argilla_server.webhooks.v1.commons import notify_event
from sqlalchemy import select

RETRY_SECONDS = (10, 60, 180)
"""Waits before a notification that failed is tried again: upstream's."""

_running: set[asyncio.Task[None]] = set()
_logger = logging.getLogger("argilla")


def install() -> None:
    """Puts these jobs in the place of the queued ones."""
    argilla_server._app.configure_redis = lambda: None
    dataset_jobs.update_dataset_records_status_job.delay = _update_statuses
    webhook_jobs.notify_event_job.delay = _notify
    hub_jobs.import_dataset_from_hub_job.delay = _refuse
    hub_jobs.export_dataset_to_hub_job.delay = _refuse
    job_handlers._get_job = _no_such_job


def _start(job: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(_logged(job))
    _running.add(task)  # the loop itself keeps no hold on its tasks
    task.add_done_callback(_running.discard)


async def _logged(job: Coroutine[Any, Any, None]) -> None:
    try:
        await job
    except Exception:
        _logger.exception("a background job failed")


def _update_statuses(dataset_id: UUID) -> None:
    """After the number of answers that a record needs has changed."""

    async def update() -> None:
        async with AsyncSessionLocal() as db:
            found = select(Record.id).where(Record.dataset_id == dataset_id, Record.id.in_(select(Response.record_id)))
            records = (await db.execute(found)).scalars().all()
        async with SearchEngine.get_by_name(settings.search_engine) as engine:
            for record_id in records:
                await distribution.update_record_status(engine, record_id)

    _start(update())


def _notify(webhook_id: UUID, event: str, timestamp: datetime, data: dict[str, Any]) -> None:
    async def notify() -> None:
        async with AsyncSessionLocal() as db:
            webhook = await Webhook.get_or_raise(db, webhook_id)
        for wait in (*RETRY_SECONDS, None):
            try:
                reply = await asyncio.to_thread(notify_event, webhook, event, timestamp, data)
                reply.raise_for_status()
                return
            except Exception:
                if wait is None:
                    raise
                await asyncio.sleep(wait)

    _start(notify())


def _refuse(**asked: Any) -> None:
    raise UnprocessableEntityError("this server does not reach the Hugging Face Hub: use the `curate` command")


def _no_such_job(job_id: str) -> None:
    raise NotFoundError(f"Job with id `{job_id}` not found")
