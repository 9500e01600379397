"""Alerts to a webhook: posted as JSON until it answers 2xx, with longer pauses each time; each by one process at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import structlog
from sqlalchemy import func, select, update

from app.budget.tables import Alert
from app.errors import Unavailable
from app.storage.database import Database

log = structlog.get_logger()

POLL_SECONDS = 1.0
POST_SECONDS, MOST_POSTS = 10, 12
FIRST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 15, 3600
"""Longer than a post may take: else another process would post the same meanwhile."""
DELIVERED_AT_ONCE = 20


class Webhook:
    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url

    async def run(self) -> None:
        """For ever. The wiring owns the task."""
        while True:
            try:
                await self.deliver()
            except Unavailable as error:
                log.warning("budget.webhook.waits", code=error.code)
            except Exception:
                log.exception("budget.webhook.failed")
            await asyncio.sleep(POLL_SECONDS)

    async def deliver(self) -> int:
        """Post what is due; what is refused is posted again, later each time. Returns how many were taken."""
        due = select(Alert.__table__).where(Alert.next_at <= func.now()).order_by(Alert.next_at).limit(DELIVERED_AT_ONCE)
        # Taken by moving its next time ahead: no transaction waits for the webhook, and no other process posts the same.
        async with self._database.begin() as connection:
            rows = (await connection.execute(due.with_for_update(skip_locked=True))).all()
            for row in rows:
                pause = timedelta(seconds=min(FIRST_PAUSE_SECONDS * 2**row.attempts, MOST_PAUSE_SECONDS))
                later = None if row.attempts + 1 >= MOST_POSTS else func.now() + pause
                taken = update(Alert).where(Alert.id == row.id).values(attempts=row.attempts + 1, next_at=later)
                await connection.execute(taken)
        answers = await asyncio.gather(*(self._post(row) for row in rows))
        delivered = [row.id for row, answer in zip(rows, answers, strict=True) if answer]
        if delivered:
            async with self._database.begin() as connection:
                done = update(Alert).where(Alert.id.in_(delivered)).values(delivered_at=func.now(), next_at=None)
                await connection.execute(done)
        return len(delivered)

    async def _post(self, row: Any) -> bool:
        body = {
            "id": str(row.id),
            "subject": row.subject,
            "subject_id": str(row.subject_id),
            "period_start": row.period_start.isoformat(),
            "rule": row.rule,
            "at": row.created_at.isoformat(),
            **row.data,
        }
        try:
            timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as client, client.post(self._url, json=body) as reply:
                if reply.status < 300:
                    return True
                log.warning("budget.webhook.refused", status=reply.status, rule=row.rule)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("budget.webhook.away", reason=type(error).__name__, rule=row.rule)
        return False
