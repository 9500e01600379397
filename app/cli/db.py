"""`cairn db`: shows and upgrades the schema. Needs no server; embedded, it runs PostgreSQL for the length of the command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from app.cli.output import AsJson

if TYPE_CHECKING:
    from app.settings import Settings

T = TypeVar("T")

db = typer.Typer(help="Upgrade the database schema, and show its revisions.", no_args_is_help=True)


@db.command()
def upgrade(as_json: AsJson = False) -> None:
    """Upgrade the schema to this version of Cairn. It is safe to run it on several machines at once."""
    from app.storage import migrations

    async def work(settings: Settings) -> str | None:
        async with _url(settings) as url:
            if url is not None:
                await migrations.upgrade(url)
        return migrations.head()

    revision = _run(work)
    _print_result({"current": revision}, as_json, f"schema: up to date ({revision})")


@db.command()
def current(as_json: AsJson = False) -> None:
    """Show the database's revision. Exits with 1 if it is not the newest."""
    from app.cli.exits import FAILED
    from app.storage import migrations

    found, wanted = _run(_current), migrations.head()
    newest = found == wanted
    state = f"at {found}" if found else "not created yet"
    words = f"up to date ({found})" if newest else f"{state}, this Cairn needs {wanted}: run `cairn db upgrade`"
    _print_result({"current": found, "head": wanted, "up_to_date": newest}, as_json, f"schema: {words}")
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
    from app.cli.announcement import reason_to_restart
    from app.cli.local_server import fitting_server, only_starter
    from app.errors import Conflict
    from app.storage.folder import DataFolder
    from app.storage.postgres import embedded_postgres

    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    folder = DataFolder.open(settings.data_dir)
    with ExitStack() as held:
        held.enter_context(await only_starter(folder))  # no command starts a server on the database meanwhile
        found = await fitting_server(folder, held)
        if found is None:
            async with embedded_postgres(folder.postgres, max_connections=settings.database.embedded_max_connections) as url:
                yield url
            return
        if (why := reason_to_restart(found)) is not None:  # it may have upgraded the schema to another version's
            raise Conflict(f"The background server is in use, and {why}. Wait for the commands that use it, or stop it: cairn stop")
        yield None


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


def _print_result(data: dict[str, object], as_json: bool, words: str) -> None:
    from app.cli.output import out, print_json

    if as_json:
        print_json(data)
    else:
        out.print(words)
