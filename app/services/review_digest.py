"""Connects the weekly digest to the review that it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app.accounts.accounts import Accounts
from app.alerts.digest import Digest, WeeklyDigest
from app.knowledge.review import Review
from app.part import Part, Role
from app.queue.outbox import Outbox
from app.settings import Settings
from app.storage.database import Database

PAGE = "/dashboard/knowledge/review"


def digest_part(settings: Settings, role: Role, *, database: Database, outbox: Outbox, accounts: Accounts, review: Review) -> Part:
    """Return the part that posts the digests: nothing unless a day and a webhook are set, and this is a server."""
    day, base = settings.alerts.review_day, settings.server.public_url
    if role != "serve" or day is None or settings.webhook is None:
        return Part(name="digest")

    async def digests() -> Sequence[Digest]:
        made = []
        for team in await accounts.list_teams():
            found = await review.digest(team.id)
            url = f"{base.rstrip('/')}{PAGE}?{urlencode({'team': team.name})}" if base and settings.dashboard.enabled else None
            counts = {str(name): number for name, number in found.review.counts.items()}
            made.append(Digest(team.name, counts, found.newest, found.most_useful, url))
        return made

    weekly = WeeklyDigest(database, outbox, digests, weekday=day, zone=ZoneInfo(settings.budget.time_zone))
    return Part(name="digest", loops=weekly.loops())
