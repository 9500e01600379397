"""Opens the way of a session: uploads and live events into the journal, the journal into its projections. They are registered here."""

from __future__ import annotations

from app.accounts.accounts import Accounts
from app.queue.jobs import Queue
from app.services.services import Knowledge, Sessions
from app.sessions.backfill import Backfill
from app.sessions.browsing import Browsing
from app.sessions.catch_up import CatchUp
from app.sessions.checkpoints import Checkpoints
from app.sessions.intake import Intake
from app.sessions.journal import Journal
from app.sessions.live import LiveIntake
from app.sessions.merging import ProjectMerge
from app.sessions.projections import Projections
from app.sessions.purge import Purge
from app.sessions.reader import SessionReader
from app.sessions.uploads import Uploads
from app.settings import Settings
from app.storage.database import Database


def open_sessions(
    settings: Settings,
    *,
    database: Database,
    accounts: Accounts,
    queue: Queue,
    uploads: Uploads,
    journal: Journal,
    knowledge: Knowledge,
) -> Sessions:
    """Projections run in the order in which they stand here."""
    projections = Projections([knowledge.passages, knowledge.items])
    checkpoints = Checkpoints(database)
    catch_up = CatchUp(database=database, queue=queue, journal=journal, checkpoints=checkpoints, projections=projections)
    browsing = Browsing(database)
    return Sessions(
        intake=Intake(
            limits=settings.sessions,
            database=database,
            accounts=accounts,
            queue=queue,
            uploads=uploads,
            journal=journal,
            catch_up=catch_up,
        ),
        live=LiveIntake(limits=settings.sessions, database=database, accounts=accounts, journal=journal),
        browsing=browsing,
        purge=Purge(database, journal, queue, projections),
        merging=ProjectMerge(database, accounts, journal, projections),
        projections=projections,
        checkpoints=checkpoints,
        catch_up=catch_up,
        backfill=Backfill(
            queue=queue,
            checkpoints=checkpoints,
            catch_up=catch_up,
            projections=projections,
            most=settings.worker.backfill_sessions,
        ),
        reader=SessionReader(accounts=accounts, journal=journal, browsing=browsing, checkpoints=checkpoints, projections=projections),
    )
