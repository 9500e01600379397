"""Transactional outbox for one webhook. A notice is stored in the transaction that it reports, then posted as JSON until answered 2xx.

Shared by all rooms. Only one process at a time posts a notice, at most MAX_POSTS times, with exponential backoff. The body's `text` is the
field that Slack-compatible webhooks display.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import aiohttp
import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.part import Loop
from app.queue.tables import NoticeRow as Row
from app.storage.database import Database

log = structlog.get_logger()

POLL_SECONDS = 1.0
POST_SECONDS, MAX_POSTS = 10, 12
"""Deadline of a post, and the number of posts after which a notice is given up."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 15, 3600
"""Bounds of the backoff. The first pause exceeds POST_SECONDS, so that no other process posts the same notice meanwhile."""
MAX_CONCURRENT_POSTS = 20
KEPT = timedelta(days=30)
"""Retention of a notice, once it is delivered or given up."""

SLACK_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""Slack's control characters: what a notice quotes must not mention a channel or hide a link."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice to post. `body`: fields for programs, added to `id` and `text`."""

    text: str
    body: dict[str, Any]
    id: UUID = field(default_factory=uuid4)


class Outbox:
    """The outbox. `url` None: no webhook is configured, and notices are dropped."""

    def __init__(self, database: Database, url: str | None) -> None:
        self._database = database
        self._url = url

    async def put(self, connection: AsyncConnection, notices: Sequence[Notice]) -> None:
        """Store notices in the caller's transaction; once committed, each is delivered at least once."""
        if self._url is None or not notices:
            return
        values = [{"id": each.id, "body": {"id": str(each.id), "text": each.text, **each.body}, "next_at": func.now()} for each in notices]
        await connection.execute(insert(Row).values(values))

    def loops(self) -> tuple[Loop, ...]:
        """Return the loop that delivers notices; none without a webhook."""
        if self._url is None:
            return ()
        return (
            Loop(
                name="queue.webhook",
                step=self.deliver,
                pause=POLL_SECONDS,
                meanwhile=("Alerts are not posted to the webhook for now; they wait."),
            ),
        )

    async def deliver(self) -> int:
        """Post the due notices; reschedule those that fail, with backoff. Returns the number delivered."""
        if self._url is None:
            return 0
        due = select(Row.__table__).where(Row.next_at <= func.now()).order_by(Row.next_at).limit(MAX_CONCURRENT_POSTS)
        # A notice is taken by postponing its next post: no transaction waits for the webhook, and no other process posts it meanwhile.
        async with self._database.begin() as connection:
            rows = (await connection.execute(due.with_for_update(skip_locked=True))).all()
            for row in rows:
                pause = timedelta(seconds=min(FIRST_PAUSE_SECONDS * 2**row.attempts, MAX_PAUSE_SECONDS))
                later = None if row.attempts + 1 >= MAX_POSTS else func.now() + pause
                taken = update(Row).where(Row.id == row.id).values(attempts=row.attempts + 1, next_at=later)
                await connection.execute(taken)
        answers = await asyncio.gather(*(self._post(self._url, row.body) for row in rows))
        delivered = [row.id for row, answer in zip(rows, answers, strict=True) if answer]
        if delivered:
            async with self._database.begin() as connection:
                done = update(Row).where(Row.id.in_(delivered)).values(delivered_at=func.now(), next_at=None)
                await connection.execute(done)
        return len(delivered)

    async def sweep(self) -> int:
        """Delete notices that were delivered or given up before the retention period; return their number."""
        gone = delete(Row).where(Row.next_at.is_(None), Row.created_at < func.now() - KEPT)
        async with self._database.begin() as connection:
            return (await connection.execute(gone)).rowcount

    async def _post(self, url: str, body: dict[str, Any]) -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as client, client.post(url, json=body) as reply:
                if reply.status < 300:
                    return True
                log.warning("webhook.refused", status=reply.status, rule=body.get("rule"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("webhook.away", reason=type(error).__name__, rule=body.get("rule"))
        return False
