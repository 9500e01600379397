"""What a server looks at and writes by the minute is what is declared: no series stays empty because nobody hands it over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app import clock
from app.alerts.series import SERIES
from tests.integration.api.conftest import Api
from tests.waiting import patience

LEVELS = sorted(name for name, series in SERIES.items() if series.kind == "level" and name != "breaker.open")
"""Without a provider there is no breaker."""


async def test_a_running_server_writes_every_level_that_is_declared(api: Api) -> None:
    missing = set(LEVELS)
    async with patience():  # what is missing still is declared in app/telemetry/measures.py, and looked at by nobody
        while missing:
            await asyncio.sleep(0.2)
            now = clock.now()
            reading = await api.services.monitoring.rollups.read(LEVELS, since=now - timedelta(hours=1), until=now + timedelta(minutes=1))
            missing = {name for name in LEVELS if not reading.whole(name).count}
    assert "queue.waiting" in LEVELS
