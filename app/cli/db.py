"""`cairn db`: shows and upgrades the schema. Needs no server; embedded, it runs PostgreSQL for the length of the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from app.cli.output import AsJson

if TYPE_CHECKING:
    from app.settings import Settings

T = TypeVar("T")

db = typer.Typer(help="Upgrade the database schema, and show its revisions.", no_args_is_help=True)


@db.command()
def upgrade(as_json: AsJson = False) -> None:
    """Upgrade the schema to this version of Cairn. May run on several machines at once."""
    from app.storage import migrations

    async def work(settings: Settings) -> str | None:
        async with _url(settings) as url:
            if url is not None:
                await migrations.upgrade(url)
        return migrations.head()

    revision = _run(work)
    _say({"current": revision}, as_json, f"The schema is at {revision}, the newest.")


@db.command()
def current(as_json: AsJson = False) -> None:
    """Show the database's revision. Exits with 1 if it is not the newest."""
    from app.cli.exits import FAILED
    from app.storage import migrations

    found, wanted = _run(_current), migrations.head()
    newest = found == wanted
    words = "the newest" if newest else f"this Cairn needs {wanted}: run `cairn db upgrade`"
    _say({"current": found, "head": wanted, "up_to_date": newest}, as_json, f"The schema is at {found or 'nothing'}: {words}.")
    if not newest:
        raise typer.Exit(FAILED)


@db.command()
def history(as_json: AsJson = False) -> None:
    """List all revisions of the schema, the newest first."""
    from alembic.script import ScriptDirectory

    from app.cli.output import out, print_json, table
    from app.storage import migrations

    scripts = ScriptDirectory.from_config(migrations.configuration()).walk_revisions()
    rows = [{"revision": each.revision, "what": (each.doc or "").strip()} for each in scripts]
    if as_json:
        print_json({"revisions": rows})
    else:
        out.print(table(rows, {"revision": "Revision", "what": "What"}))


async def _current(settings: Settings) -> str | None:
    from app.storage import migrations
    from app.storage.database import Database

    async with _url(settings) as url:
        if url is None:
            return migrations.head()
        database = await Database.open(settings.database, url, name="cairn db", pool_size=1, max_overflow=0)
        try:
            return await migrations.current(database)
        finally:
            await database.close()


@asynccontextmanager
async def _url(settings: Settings) -> AsyncIterator[str | None]:
    """Yield the database's URL; None if an embedded server is running, which has upgraded the schema at its start."""
    from app.cli.local_server import announced, answers
    from app.storage.folder import DataFolder
    from app.storage.postgres import embedded_postgres

    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    folder = DataFolder.open(settings.data_dir)
    found = announced(folder)
    if found is not None and await answers(found.url):
        yield None
        return
    async with embedded_postgres(folder.postgres, max_connections=settings.database.embedded_max_connections) as url:
        yield url


def _run(work: Callable[[Settings], Awaitable[T]]) -> T:
    import asyncio

    from app import settings as config
    from app.redaction.labels import free_text
    from app.telemetry import logs

    async def run() -> T:
        return await work(settings)

    settings = config.load()
    logs.configure(settings.log.model_copy(update={"level": "warning"}), clean=free_text)
    return asyncio.run(run())


def _say(data: dict[str, object], as_json: bool, words: str) -> None:
    from app.cli.output import out, print_json

    if as_json:
        print_json(data)
    else:
        out.print(words)
