"""Connects the weekly digest to the review that it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import structlog

from app.accounts.accounts import Accounts
from app.alerts.digest import Digest, WeeklyDigest
from app.errors import Unavailable
from app.knowledge.review import Review
from app.part import Part, Role
from app.queue.outbox import Outbox
from app.settings import Settings
from app.storage.database import Database

log = structlog.get_logger()

PAGE = "/dashboard/knowledge/review"


def digest_part(settings: Settings, role: Role, *, database: Database, outbox: Outbox, accounts: Accounts, review: Review) -> Part:
    """Return the part that posts the digests: nothing unless a day and a webhook are set, and this is a server."""
    day, base = settings.alerts.review_day, settings.server.public_url
    if role != "serve" or day is None or settings.webhook is None:
        return Part(name="digest")

    page = f"{base.rstrip('/')}{PAGE}" if base and settings.dashboard.enabled else None
    weekly = WeeklyDigest(
        database, outbox, partial(read_digests, accounts, review, page), weekday=day, zone=ZoneInfo(settings.budget.time_zone)
    )
    return Part(name="digest", loops=weekly.loops())


async def read_digests(accounts: Accounts, review: Review, page: str | None) -> Sequence[Digest]:
    """Read the digests of all teams. `page`: the review's address; None: not known.

    A team whose lists can't be read in time is left out, so that it doesn't keep the others from theirs. Raises Unavailable if all are.
    """
    made: list[Digest] = []
    failed: Unavailable | None = None
    for team in await accounts.list_teams():
        try:
            found = await review.digest(team.id)
        except Unavailable as error:
            log.warning("digest.left_out", team=str(team.id), code=error.code)
            failed = error
            continue
        url = None if page is None else f"{page}?{urlencode({'team': team.name})}"
        counts = {str(name): number for name, number in found.review.counts.items()}
        made.append(Digest(team.name, counts, found.newest, found.most_useful, url))
    if failed is not None and not made:
        raise failed
    return made
