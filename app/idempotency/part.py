"""Opens idempotency keys, with the sweep of old ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.idempotency.keys import IdempotencyKeys
from app.part import Maintenance, Opened, Part
from app.storage.database import Database


@asynccontextmanager
async def open_idempotency(database: Database) -> AsyncIterator[Opened[IdempotencyKeys]]:
    """Open the keys."""
    keys = IdempotencyKeys(database)
    yield keys, Part(name="idempotency", maintenance=[Maintenance("idempotency_keys", keys.sweep)])
