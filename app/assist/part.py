"""Opens the room of assistance: what a session gets at its start. It has no rows of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.assist.session_context import SessionContexts
from app.knowledge.briefing import ProjectBriefing
from app.part import Opened, Part
from app.sessions.endings import SessionEndings


@dataclass(frozen=True, slots=True)
class AssistServices:
    """The room's live objects."""

    session_contexts: SessionContexts


@asynccontextmanager
async def open_assist(*, accounts: Accounts, briefing: ProjectBriefing, endings: SessionEndings) -> AsyncIterator[Opened[AssistServices]]:
    """Open the room over what knowledge and sessions tell of a project."""
    contexts = SessionContexts(accounts=accounts, briefing=briefing, endings=endings)
    yield AssistServices(contexts), Part(name="assist")
