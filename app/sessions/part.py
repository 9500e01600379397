"""Opens the way of a session: uploads and live events into the journal, the journal into its projections.

Which projections there are this room doesn't know: the rooms that own what they derive register theirs when they are opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from app.accounts.accounts import Accounts
from app.part import Maintenance, Opened, Part, Role
from app.queue.jobs import Queue
from app.sessions.backfill import BACKFILL, Backfill
from app.sessions.browsing import SessionBrowsing
from app.sessions.captures import Captures
from app.sessions.catch_up import CatchUp
from app.sessions.checkpoints import Checkpoints
from app.sessions.deferred import DEFERRED, DeferredRuns
from app.sessions.endings import SessionEndings
from app.sessions.erasure import ERASE, Erasure
from app.sessions.exporting import SessionExport
from app.sessions.following import TranscriptFollower
from app.sessions.intake import INGEST, Intake
from app.sessions.journal import CATCH_UP, Journal
from app.sessions.live import LiveIntake
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.sessions.reader import SessionReader
from app.sessions.stream import SessionStream
from app.sessions.under_way import SessionsUnderWay
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage.database import Database
from app.telemetry import metrics


@dataclass(frozen=True, slots=True)
class SessionServices:
    """The room's live objects: intake, the journal, projections, the purge."""

    uploads: Uploads
    journal: Journal
    intake: Intake
    live: LiveIntake
    follower: TranscriptFollower
    browsing: SessionBrowsing
    purge: Purge
    erasure: Erasure
    export: SessionExport
    merging: ProjectMerge
    projections: Projections
    checkpoints: Checkpoints
    catch_up: CatchUp
    backfill: Backfill
    reader: SessionReader
    stream: SessionStream
    under_way: SessionsUnderWay
    captures: Captures
    deferred: DeferredRuns


@asynccontextmanager
async def open_sessions(
    settings: Settings, role: Role, *, database: Database, accounts: Accounts, queue: Queue, parts: Sequence[Part]
) -> AsyncIterator[Opened[SessionServices]]:
    """Open the room. `parts`: all of the process, also those that come later; a purge asks each what it has to forget."""
    journal, uploads = Journal(database, settings.sessions, queue), Uploads(database)
    captures = Captures(database, accounts)
    projections, checkpoints = Projections(), Checkpoints(database)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=projections)
    browsing, endings = SessionBrowsing(database), SessionEndings(database)
    backfill = Backfill(
        queue=queue, checkpoints=checkpoints, catch_up=catch_up, projections=projections, max_sessions=settings.worker.backfill_sessions
    )
    purge = Purge(database, journal, queue, projections, parts=parts)
    made = SessionServices(
        uploads=uploads,
        journal=journal,
        intake=Intake(
            limits=settings.sessions, database=database, accounts=accounts, queue=queue, uploads=uploads, journal=journal, catch_up=catch_up
        ),
        live=LiveIntake(limits=settings.sessions, database=database, accounts=accounts, journal=journal, captures=captures),
        follower=TranscriptFollower(limits=settings.sessions, database=database, accounts=accounts, journal=journal, captures=captures),
        browsing=browsing,
        purge=purge,
        erasure=Erasure(database, accounts, queue, purge),
        export=SessionExport(database, accounts, queue, journal),
        merging=ProjectMerge(database, accounts, journal, projections),
        projections=projections,
        checkpoints=checkpoints,
        catch_up=catch_up,
        backfill=backfill,
        reader=SessionReader(
            accounts=accounts, journal=journal, browsing=browsing, endings=endings, checkpoints=checkpoints, projections=projections
        ),
        stream=SessionStream(journal, browsing),
        under_way=SessionsUnderWay(database),
        captures=captures,
        deferred=DeferredRuns(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=projections),
    )
    yield made, _part(made, role, upload_ttl_hours=settings.sessions.upload_ttl_hours)


def _part(made: SessionServices, role: Role, *, upload_ttl_hours: float) -> Part:
    async def behind() -> None:
        for name, found in (await made.checkpoints.backlog(made.projections.all_versions)).items():
            metrics.set_projection(name, behind=found.behind, parked=found.parked)

    return Part(
        name="sessions",
        jobs={
            INGEST: made.captures.of_uploads(made.intake.ingest),
            CATCH_UP: made.catch_up.job,
            BACKFILL: made.backfill.job,
            ERASE: made.erasure.job,
            DEFERRED: made.deferred.job,
        },
        loops=(*made.backfill.loops(), *made.deferred.loops()) if role == "worker" else (),
        gauges=[behind],
        maintenance=[
            Maintenance("uploads", partial(made.uploads.sweep, upload_ttl_hours)),
            Maintenance("followed", made.follower.sweep),
            Maintenance("erased", made.erasure.sweep, batched=True),
            Maintenance("purges", partial(made.journal.sweep, 2 * upload_ttl_hours)),
        ],
    )
