"""`cairn doctor`: checks the installation and the running server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.cli.check import Check, Verdict
from app.cli.exits import FAILED
from app.cli.output import AsJson

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient
    from app.settings import Settings
    from app.storage.folder import DataFolder

MIN_FREE_BYTES = 500 * 2**20
"""About what PostgreSQL, the index and the model take for a small team."""
MAX_SESSIONS = 100
MARKS: dict[Verdict, str] = {"ok": "[green]ok[/]    ", "note": "[yellow]note[/]  ", "failed": "[red]FAILED[/]"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, disk, capture by IDEs, database, index, model, worker, providers and alerts. Exits with 1 if a check fails."""
    import asyncio

    from app.cli.output import out, plain, print_json

    checks = asyncio.run(_all_checks())
    if as_json:
        print_json({"checks": [{"name": each.name, "verdict": each.verdict, "detail": each.detail} for each in checks]})
    else:
        for each in checks:
            out.print(MARKS[each.verdict], plain(f"{each.name}: {each.detail}"))
    if any(each.verdict == "failed" for each in checks):
        raise typer.Exit(FAILED)


async def _all_checks() -> list[Check]:
    return [check async for check in _checks()]


async def _checks() -> AsyncIterator[Check]:
    """Yield the checks in order of dependency; the first failure that stops them is the one to fix."""
    from app.cli.ide.capture_checks import capture_checks
    from app.cli.installation import is_light
    from app.cli.reach import open_client
    from app.errors import CairnError

    settings = None
    if is_light():
        yield Check("installation", "ok", "a client alone")
    else:
        for found in _installation_checks():
            if isinstance(found, Check):
                yield found
            else:
                settings = found
        if settings is None:
            return
    for each in capture_checks(Path.cwd()):
        yield each
    try:
        async with open_client(settings) as client:
            async for check in _server_checks(client, settings):
                yield check
    except CairnError as error:
        yield Check("server", "failed", error.message)


def _installation_checks() -> Iterator[Check | Settings]:
    """Check what a server on this machine needs; yield its settings last, if all that has to be there is."""
    from app import settings as config
    from app.errors import ConfigurationError
    from app.storage.folder import DataFolder

    try:
        settings = config.load()
    except ConfigurationError as error:
        yield Check("settings", "failed", error.message)
        return
    yield Check("settings", "ok", "embedded" if settings.embedded else "server mode")
    for name in config.unknown_variables():
        yield Check("settings", "note", f"{name} is not a setting of this version, and has no effect: check its spelling")
    for each in (*config.old_names(), *config.withdrawn_settings()):
        yield Check("settings", "note", str(each))
    try:
        folder = DataFolder.open(settings.data_dir)
    except ConfigurationError as error:
        yield Check("data folder", "failed", error.message)
        return
    yield Check("data folder", "ok", str(folder.path))
    yield _disk(folder)
    yield settings


def _disk(folder: DataFolder) -> Check:
    import shutil

    free = shutil.disk_usage(folder.path).free
    words = f"{free / 2**30:.1f} GB free"
    if free < MIN_FREE_BYTES:
        return Check("disk", "failed", f"only {words}: PostgreSQL stops when the disk is full. Make room, or move CAIRN_DATA_DIR.")
    return Check("disk", "ok", words)


async def _server_checks(client: ServerClient, settings: Settings | None) -> AsyncIterator[Check]:
    """Check the server's parts, and one query through all of them."""
    from app.cli.ide.capture_checks import arrivals

    yield Check("server", "ok", client.url)
    ready = await client.get("/readyz")
    reasons = ready.get("reasons", {})
    for name in (each for each in ready if each not in {"status", "reasons"}):
        yield Check(name, "ok" if ready[name] == "ok" else "failed", reasons.get(name) or _state_text(name, ready[name]))
    if "replicas" in ready and "redis" not in ready:
        yield Check(
            "replicas",
            "note",
            "without CAIRN_REDIS__URL a write is only known to the server that took it: see docs/how-to/read-from-replicas.md",
        )
    yield Check("schema", "ok", "the newest: a server refuses to run on another")
    answer = await client.post("/v1/knowledge/query", {"query": "is anybody there?", "limit": 1, "min_score": 0})
    away = "embeddings" in answer["degraded"]
    yield Check(
        "model",
        "failed" if away else "ok",
        "does not answer: see the server's log" if away else f"{answer['took_ms']:.0f} ms a question",
    )
    for arrived in arrivals((await client.get("/v1/sessions", limit=MAX_SESSIONS))["sessions"]):
        yield arrived
    projected = await client.get("/v1/projections")
    for projection in projected["projections"]:
        yield _projection(projection)
    for parked in projected["parked"]:
        yield _parked(parked)
    if settings is not None:
        yield _keys(settings)
    for provider in (await client.get("/v1/providers"))["providers"]:
        yield _provider(provider)
    found = await client.get("/v1/alerts")
    for rule in found["rules"]:
        yield _rule(rule, found["firing"])
    for advice in found["recommendations"]:
        yield Check(f"advice: {advice['topic']}", "note", f"{advice['evidence']}: {advice['change']}")


def _rule(found: Json, firing: list[Json]) -> Check:
    """Check an alert rule: breached is a note, firing and critical a failure."""
    fires = any(each["rule"] == found["rule"] and each["labels"] == found["labels"] for each in firing)
    name = f"alert {found['rule']}"
    if not found["breached"] and not fires:
        return Check(name, "ok", found["summary"])
    verdict: Verdict = "failed" if fires and found["severity"] == "critical" else "note"
    return Check(name, verdict, f"{found['summary']} ({'it fires' if fires else 'now, not yet for long enough to fire'})")


def _projection(found: Json) -> Check:
    """Check a projection: one that is behind catches up by itself."""
    name = f"projection {found['name']}"
    if found["parked"]:
        detail = f"failed on {found['parked']} sessions, which are missing from its results: the worker's log says why (projection.parked)"
        return Check(name, "note", detail)
    if found["behind"]:
        return Check(name, "note", f"{found['behind']} sessions behind; the worker catches up by itself")
    return Check(name, "ok", "has caught up with every session")


def _parked(found: Json) -> Check:
    again = "again" if found["retry_at"] else "not again before an update of Cairn changes this projection"
    return Check(f"projection {found['projection']}", "note", f"session {found['session_id']}: {found['reason']} It is tried {again}.")


def _provider(found: Json) -> Check:
    """Check a provider: without a key it is left out on purpose; without a price it is misconfigured."""
    name = f"provider {found['name']}"
    if found["standing"] != "ready":
        return Check(name, "note" if found["standing"] in {"no_key", "no_address"} else "failed", found["detail"])
    if found["breaker"] != "closed":
        return Check(name, "note", f"{found['model']} fails, and is tried again in {found['retry_in']:.0f} s")
    return Check(name, "ok", found["model"])


def _state_text(name: str, state: str) -> str:
    if state == "ok":
        return "answers"
    return {
        "database": "does not answer",
        "replicas": "one or more are not read; others or the primary are: the server's log says why (replica.left_alone)",
        "vectors": "does not answer: searches use PostgreSQL's full-text search",
        "embeddings": "the model can't be loaded: searches are lexical only",
        "redis": "does not answer: messages get 503; each server has breakers, limits and caches of its own; replicas aren't read",
        "worker": "is not running",
        "loops": "background work fails repeatedly: the server's log says why (loop.failed)",
    }.get(name, "is not ok: the server's log may say why")


def _keys(settings: Settings) -> Check:
    if settings.embedded and settings.admin_key is None:
        return Check("keys", "ok", "the admin key is in the data folder")
    return Check("keys", "ok", "the admin key is set")
