"""Opens the room of assistance: what a session gets at its start, and the hooks of IDEs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.accounts.accounts import Accounts
from app.assist.earlier_help import EarlierHelp
from app.assist.hooks.hooks import AppendEvents, Hooks
from app.assist.hooks.nudging import Nudging, WatchedSessions
from app.assist.hooks.origins import Origins
from app.assist.hooks.served import ServedKnowledge
from app.assist.nudges import NudgeRecords
from app.assist.session_context import SessionContexts
from app.knowledge.reader import KnowledgeReader
from app.part import Forget, Maintenance, Opened, Part
from app.sessions.journal import Journal
from app.sessions.reader import SessionReader
from app.settings import Settings
from app.storage.database import Database
from app.trajectory.analysis import AnalysisQueries
from app.trajectory.patterns import PatternReader
from app.trajectory.policies import ProjectPolicies


@dataclass(frozen=True, slots=True)
class AssistServices:
    """The room's live objects."""

    session_contexts: SessionContexts
    hooks: Hooks
    earlier: EarlierHelp


@dataclass(frozen=True, slots=True)
class AssistedSessions:
    """The sessions that are assisted: their journal, readers, what recurs in them, and `capture`: where what a hook tells goes."""

    journal: Journal
    reader: SessionReader
    capture: AppendEvents
    analyses: AnalysisQueries
    policies: ProjectPolicies
    patterns: PatternReader


@asynccontextmanager
async def open_assist(
    settings: Settings,
    *,
    database: Database,
    accounts: Accounts,
    sessions: AssistedSessions,
    knowledge: KnowledgeReader,
) -> AsyncIterator[Opened[AssistServices]]:
    """Open the room over what knowledge, sessions and their analyses tell of a project."""
    journal = sessions.journal
    contexts = SessionContexts(accounts=accounts, knowledge=knowledge, sessions=sessions.reader)
    origins = Origins(database, accounts, journal)
    served = ServedKnowledge(database, journal)
    earlier = EarlierHelp(journal=journal, knowledge=knowledge, min_score=settings.hooks.min_score)
    nudging = Nudging(
        settings=settings.hooks,
        watched=WatchedSessions(sessions.analyses, sessions.policies, sessions.patterns),
        records=NudgeRecords(database),
        served=served,
        journal=journal,
        earlier=earlier,
    )
    hooks = Hooks(
        settings=settings.hooks,
        origins=origins,
        served=served,
        capture=sessions.capture,
        knowledge=knowledge,
        contexts=contexts,
        nudging=nudging,
    )
    yield (
        AssistServices(contexts, hooks, earlier),
        Part(
            name="assist",
            forgets=[Forget("hook_sessions", origins.forget)],
            maintenance=[Maintenance("hook_sessions", origins.sweep)],
        ),
    )
