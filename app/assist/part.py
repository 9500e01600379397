"""Opens the room of assistance: what a session gets at its start, and the hooks of IDEs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.assist.hooks.hooks import Hooks
from app.assist.hooks.origins import Origins
from app.assist.hooks.served import ServedKnowledge
from app.assist.session_context import SessionContexts
from app.knowledge.part import KnowledgeServices
from app.part import Forget, Maintenance, Opened, Part
from app.sessions.part import SessionServices
from app.settings import Settings
from app.storage.database import Database


@dataclass(frozen=True, slots=True)
class AssistServices:
    """The room's live objects."""

    session_contexts: SessionContexts
    hooks: Hooks


@asynccontextmanager
async def open_assist(
    settings: Settings, *, database: Database, accounts: Accounts, sessions: SessionServices, knowledge: KnowledgeServices
) -> AsyncIterator[Opened[AssistServices]]:
    """Open the room over what knowledge and sessions tell of a project."""
    contexts = SessionContexts(accounts=accounts, briefing=knowledge.briefing, endings=sessions.endings)
    origins = Origins(database, accounts, sessions.journal)
    hooks = Hooks(
        settings=settings.hooks,
        origins=origins,
        served=ServedKnowledge(database),
        live=sessions.live,
        knowledge=knowledge.reader,
        contexts=contexts,
    )
    yield (
        AssistServices(contexts, hooks),
        Part(
            name="assist",
            forgets=[Forget("hook_sessions", origins.forget)],
            maintenance=[Maintenance("hook_sessions", origins.sweep)],
        ),
    )
