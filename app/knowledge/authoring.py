"""Lets people record items and correct learnt ones. Redacts what they write before anything else.

Embeds first, then stores in a transaction of its own, which locks the project and writes to the outbox like any other change.
Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.accounts import Accounts
from app.accounts.names import check_project_name
from app.clock import now
from app.embeddings import Embedder, LongForm
from app.errors import ChangedMeanwhile, Conflict, InvalidInput, NotPermitted, RateLimited
from app.knowledge.changes import ChangedPoint, record_changes
from app.knowledge.derivations import digest
from app.knowledge.edits import Author, ItemCorrection, ItemFields, check_fields, revision_of, title_of
from app.knowledge.locks import lock_project
from app.knowledge.marks import forget_marks
from app.knowledge.neighbours import item_text, pack
from app.knowledge.relations import refresh_relations
from app.knowledge.store import lock_item, team_item_row
from app.knowledge.subject_rows import VERSION as SUBJECTS_VERSION
from app.knowledge.supersession.rewording import says_otherwise
from app.knowledge.tables import ItemRow, RevisionRow
from app.knowledge.verdicts import count_verdicts
from app.redaction.labels import free_text
from app.storage.database import Database
from app.storage.tables import AnyRow

RECORDED_CONFIDENCE = 1.0
AT_ONCE, MAX_WAITING_A_CALLER = 2, 64
"""Writes that run at once (questions need the embedder and the pool too), and writes that may wait for one caller: more are refused."""
ATTEMPTS = 5
"""Optimistic concurrency: tries of a correction before Conflict."""
_PLACEHOLDER = re.compile(r"\[REDACTED:[^\]]*\]")


class WriteAdmission:
    """Bounds concurrent writes, in total and in the queue of each caller, so that one caller's thousands keep nobody else out."""

    def __init__(self, *, at_once: int = AT_ONCE, max_waiting: int = MAX_WAITING_A_CALLER) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._max_waiting = max_waiting
        self._waiting: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def admit(self, caller: Hashable) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the block. RateLimited if too many writes of this caller wait already."""
        if self._waiting[caller] >= self._max_waiting:
            raise RateLimited(
                f"{self._max_waiting} of your items are still being written, the maximum: send further ones when these are answered.",
                retry_after=1.0,
            )
        self._waiting[caller] += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                del self._waiting[caller]


class Authoring:
    """Records and corrects items. `admission`: shared with `judging`."""

    def __init__(
        self, database: Database, accounts: Accounts, *, embedder: Embedder, long_form: LongForm, admission: WriteAdmission
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._embedder = embedder
        self._long_form = long_form
        self._admission = admission

    async def record(self, author: Author, project: str, given: ItemFields) -> tuple[UUID, bool]:
        """Store what a person knows. Returns its id, and True if it is new: the same text in a project is one item.

        Without a title it gets one from its text. A project is created when it is first named, as for sessions. InvalidInput names the
        field that can't be stored; NotPermitted: the project is closed to the author; RateLimited if too many of the author's writes wait.
        """
        check_project_name(project)
        check_fields(given)
        async with self._admission.admit(author):
            words = await _checked_and_redacted(given)
            key = digest(words.text)
            if (known := await self._already_recorded(author, project, key)) is not None:
                return known, False
            embedded = await self._embed(words)
            async with self._database.begin() as connection:
                project_id = await self._locked_project(connection, author, project)
                if (known := await connection.scalar(_recorded(project_id, key))) is not None:
                    return known, False
                item, moment = uuid4(), now()
                await connection.execute(
                    insert(ItemRow).values(
                        id=item,
                        team_id=author.team_id,
                        project_id=project_id,
                        developer_id=author.developer_id,
                        origin="recorded",
                        recorded_key=key,
                        confidence=RECORDED_CONFIDENCE,
                        created_at=moment,
                        last_seen_at=moment,
                        subjects_version=SUBJECTS_VERSION,
                        **_columns(words),
                        **embedded,
                    )
                )
                written = insert(RevisionRow).values(knowledge_id=item, action="recorded", **author.columns, **_columns(words))
                await connection.execute(written)
                await refresh_relations(connection, [item])
                await record_changes(connection, [ChangedPoint(item, project_id, author.team_id)])
        return item, True

    async def correct(self, author: Author, item_id: UUID, change: ItemCorrection) -> bool:
        """Correct an item permanently: extracting its sessions again doesn't undo it. Returns True if anything changed.

        NotPermitted unless by its author, a lead or an admin. Conflict if the item has changed since `change.revision`; without a revision
        the last writer wins, and the history keeps every wording. NotFound for another team's item.
        """
        if not change.fields:
            raise InvalidInput("No field to change: send type, title, text or paths.")
        async with self._admission.admit(author):
            for _ in range(ATTEMPTS):
                async with self._database.begin() as connection:
                    row = await team_item_row(connection, author.team_id, item_id, closed=author.closed)
                _check_may_correct(author, row, change)
                words = await _corrected(row, change)
                reworded = (words.title, words.text) != (row.title, row.text)
                embedded = await self._embed(words) if reworded else {}
                async with self._database.begin() as connection:
                    locked = await lock_item(connection, author.team_id, item_id, closed=author.closed)
                    if revision_of(locked) == revision_of(row) and locked.project_id == row.project_id:
                        return await _store_correction(connection, author, locked, words, embedded)
        raise Conflict("Others are changing this item at the same time: read it again, and repeat the correction.")

    async def _already_recorded(self, author: Author, project: str, key: bytes) -> UUID | None:
        """Return the item already recorded with this text, before anything is embedded: a repetition must be cheap."""
        project_id = await self._accounts.project_named(author.team_id, project, closed=author.closed)
        if project_id is None:
            return None
        async with self._database.begin() as connection:
            found: UUID | None = await connection.scalar(_recorded(project_id, key))
            return found

    async def _locked_project(self, connection: AsyncConnection, author: Author, project: str) -> UUID:
        """Return the id of the named project, locked. Conflict if it was merged into another one while waiting for the lock.

        NotPermitted if it is closed to the author.
        """
        project_id = await self._accounts.project_id(connection, author.team_id, project)
        await self._accounts.check_open_to(connection, project_id, author.developer_id)
        await lock_project(connection, project_id)
        if await self._accounts.project_id(connection, author.team_id, project) != project_id:
            raise Conflict(f"The project {project!r} is being merged into another one: try again.")
        return project_id

    async def _embed(self, words: ItemFields) -> dict[str, object]:
        texts = [item_text(words.title, words.text)]
        (vector,), (long,) = await self._embedder.embed(texts), await self._long_form.embed(texts)
        return {
            "embedding": pack(vector),
            "embedding_model": self._embedder.model,
            "long_embedding": None if long is None else pack(long),
            "long_embedding_model": self._long_form.model,
        }


async def _checked_and_redacted(words: ItemFields) -> ItemFields:
    """Check and redact an item's fields for storing. InvalidInput names the field that can't be stored."""
    check_fields(words)
    title, text, *paths = await asyncio.to_thread(lambda: [free_text(each) for each in (words.title, words.text, *words.paths)])
    if not any(map(str.isalnum, _PLACEHOLDER.sub("", text))):
        raise InvalidInput("text is only a secret, and secrets are not stored: write what the team should know about it.", param="text")
    text = text.strip()
    return ItemFields(words.type, " ".join(title.split()) or title_of(text), text, tuple(dict.fromkeys(each.strip() for each in paths)))


async def _corrected(row: AnyRow, change: ItemCorrection) -> ItemFields:
    """Apply a change. Unchanged fields stay verbatim, and exempt from limits, which don't bind extracted items."""
    before = ItemFields(row.type, row.title, row.text, tuple(row.paths))
    wanted = {name: value for name, value in change.fields.items() if value != getattr(before, name)}
    if change.title is not None and not change.title.strip():
        raise InvalidInput("title is empty: write one, or leave it out to keep the present one.", param="title")
    made = await _checked_and_redacted(replace(ItemFields(before.type, "", "unchanged"), **wanted))  # type: ignore[arg-type]
    return replace(before, **{name: getattr(made, name) for name in wanted})


def _check_may_correct(author: Author, row: AnyRow, change: ItemCorrection) -> None:
    if not author.change_any and author.developer_id is not None and row.developer_id != author.developer_id:
        said = "Only its author, a lead or an admin can correct this item."
        raise NotPermitted(f"{said} Say that it is wrong or stale on its dashboard page, or with POST /v1/knowledge/{{id}}/feedback.")
    if change.revision is not None and change.revision != revision_of(row):
        raise ChangedMeanwhile(
            f"The item has been changed since revision {change.revision[:40]}: it is at {revision_of(row)}."
            " Read the current version, and correct that.",
            param="if-match",
        )


async def _store_correction(
    connection: AsyncConnection, author: Author, row: AnyRow, words: ItemFields, embedded: dict[str, object]
) -> bool:
    """Store a correction in the transaction that holds the item, which is unchanged since it was read. Returns True if anything changed."""
    before = ItemFields(row.type, row.title, row.text, tuple(row.paths))
    changed = {name: value for name, value in _columns(words).items() if value != _columns(before)[name]}
    if not changed:
        return False
    key = digest(words.text) if row.origin == "recorded" else None
    if "text" in changed and key is not None and (twin := await connection.scalar(_recorded(row.project_id, key))) not in {None, row.id}:
        raise Conflict(f"The same text is recorded already, as item {twin}: correct that one, or delete this one.", param="text")
    moment = now()
    values = changed | embedded | {"corrected_at": moment, "last_seen_at": moment, "updated_at": moment}
    if "text" in changed and key is not None:
        values["recorded_key"] = key
    if says_otherwise(item_text(before.title, before.text), item_text(words.title, words.text)):
        values["worded_at"] = moment
    await connection.execute(update(ItemRow).where(ItemRow.id == row.id).values(values))
    await connection.execute(insert(RevisionRow).values(knowledge_id=row.id, action="corrected", **author.columns, **changed))
    if "text" in changed:
        await count_verdicts(connection, row)
    await forget_marks(connection, [row.id])
    await refresh_relations(connection, [row.id])
    await record_changes(connection, [ChangedPoint(row.id, row.project_id, row.team_id)])
    return True


def _recorded(project_id: UUID, key: bytes) -> Select[UUID]:
    return select(ItemRow.id).where(ItemRow.project_id == project_id, ItemRow.recorded_key == key)


def _columns(words: ItemFields) -> dict[str, object]:
    return {"type": words.type, "title": words.title, "text": words.text, "paths": list(words.paths)}
