"""Asks each part for its state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.errors import CairnError
from app.part import Condition, Part, ReadinessCheck, State

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of each dependency, with reasons for some that aren't ok. `status` is the worst that matters."""

    states: dict[str, State]
    reasons: dict[str, str]

    @property
    def status(self) -> State:
        found = set(self.states.values())
        return "down" if "down" in found else "degraded" if "degraded" in found else "ok"


async def readiness(parts: Sequence[Part]) -> Readiness:
    """Ask each dependency of each part, all at once."""
    checks = [check for part in parts for check in part.ready]
    found = dict(zip([check.name for check in checks], await asyncio.gather(*map(_asked, checks)), strict=True))
    return Readiness(
        states={name: each.state for name, each in found.items()},
        reasons={name: each.reason for name, each in found.items() if each.reason is not None},
    )


async def _asked(check: ReadinessCheck) -> Condition:
    try:
        return await check.ask()
    except CairnError as error:
        return Condition("degraded", error.message)
    except Exception:
        log.exception("readiness.failed", check=check.name)
        return Condition("degraded", "The check itself failed: the server's log says why (`readiness.failed`).")
