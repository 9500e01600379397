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
    from app.settings import FreshnessSettings, Settings
    from app.storage.folder import DataFolder

MAX_SESSIONS = 100
NEARLY_FULL = "is nearly full"
"""`/readyz` has one state for a disk that is nearly full and one that is full: its reason tells which."""
MARKS: dict[Verdict, str] = {"ok": "[green]ok[/]    ", "note": "[yellow]note[/]  ", "failed": "[red]FAILED[/]"}


def doctor(as_json: AsJson = False) -> None:
    """Check the installation and the running server. Settings, disk, capture by IDEs, database, index, model, worker, providers, alerts.

    Exits with 1 if a check fails.
    """
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

    settings, disk = None, None
    if is_light():
        yield Check("installation", "ok", "a client alone")
    else:
        for found in _installation_checks():
            if isinstance(found, Check):
                disk = found if found.name == "disk" else disk
                yield found
            else:
                settings = found
        if settings is None:
            return
    for each in capture_checks(Path.cwd()):
        yield each
    try:
        async with open_client(settings) as client:
            async for check in _server_checks(client, settings, disk):
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
    mode = (
        "embedded: database and index run on this machine" if settings.embedded else "server mode: uses the PostgreSQL that you configured"
    )
    yield Check("settings", "ok", mode)
    for name in config.unknown_variables():
        yield Check("settings", "note", f"{name} is not a setting of this version and has no effect: check its spelling")
    for each in (*config.old_names(), *config.withdrawn_settings()):
        yield Check("settings", "note", str(each))
    try:
        folder = DataFolder.open(settings.data_dir)
    except ConfigurationError as error:
        yield Check("data folder", "failed", error.message)
        return
    yield Check("data folder", "ok", str(folder.path))
    yield _disk(folder, settings)
    if settings.freshness.repositories:
        yield git_check(settings.freshness)
    yield settings


def _disk(folder: DataFolder, settings: Settings) -> Check:
    from app.storage.disk import free_space

    found = free_space(folder.path, settings.disk, embedded=settings.embedded)
    verdicts: dict[str, Verdict] = {"ok": "ok", "low": "note", "full": "failed"}
    return Check("disk", verdicts[found.state], found.words)


def git_check(settings: FreshnessSettings) -> Check:
    """Check that a worker on this machine can read the repositories that are configured."""
    from shutil import which

    if which("git") is None:
        detail = "the git command isn't on this machine, and freshness.repositories is set: install the package `git` where workers run"
        return Check("git", "failed", detail)
    if missing := [str(path) for path in settings.repositories.values() if not path.is_dir()]:
        return Check("git", "failed", f"freshness.repositories names no folder of this machine: {', '.join(missing)}")
    return Check("git", "ok", f"reads {len(settings.repositories)} repositories that items are checked against")


async def _server_checks(client: ServerClient, settings: Settings | None, disk: Check | None) -> AsyncIterator[Check]:
    """Check the server's parts, and one query through all of them. `disk`: this machine's, which was checked already."""
    from app.cli.ide.capture_checks import arrivals
    from app.cli.server_address import is_local

    yield Check("server", "ok", f"{client.url}{_warm_text(client.url, settings)}")
    for check in part_checks(await client.get("/readyz"), disk=disk if is_local(client.url) else None):
        yield check
    yield Check("schema", "ok", "up to date")
    answer = await client.post("/v1/knowledge/query", {"query": "is anybody there?", "limit": 1, "min_score": 0})
    away = "embeddings" in answer["degraded"]
    yield Check(
        "model",
        "failed" if away else "ok",
        "does not answer: see the server's log" if away else f"answered a question in {answer['took_ms']:.0f} ms",
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
    if openid := await _openid(client):
        yield openid
    for provider in (await client.get("/v1/providers"))["providers"]:
        yield _provider(provider)
    found = await client.get("/v1/alerts")
    for rule in found["rules"]:
        yield _rule(rule, found["firing"])
    for advice in found["recommendations"]:
        yield Check(f"advice: {advice['topic']}", "note", f"{advice['evidence']}: {advice['change']}")


def _warm_text(url: str, settings: Settings | None) -> str:
    """Say that a command started the server, and when it ends."""
    from app.cli.announcement import announced

    found = None if settings is None else announced(settings.data_dir.expanduser())
    if found is None or found.url != url or found.warm_minutes is None:
        return ""
    return f", started by a command: it ends after {found.warm_minutes:g} idle minutes, or with `cairn stop`"


def part_checks(ready: Json, *, disk: Check | None) -> Iterator[Check]:
    """Check each part that `/readyz` names. `disk`: the check of this machine's disk, where the server may run here."""
    reasons = ready.get("reasons", {})
    for name in (each for each in ready if each not in {"status", "reasons"}):
        detail = reasons.get(name) or _state_text(name, ready[name])
        verdict: Verdict = "ok" if ready[name] == "ok" else "failed"
        if name == "disk" and disk is not None and (verdict == "ok" or disk.verdict != "ok"):
            continue  # told already
        if name == "disk" and NEARLY_FULL in detail:
            verdict = "note"
        yield Check(name, verdict, detail)
    if "replicas" in ready and "redis" not in ready:
        yield Check(
            "replicas",
            "note",
            "without CAIRN_REDIS__URL only the server that accepted a write knows of it: see docs/how-to/read-from-replicas.md",
        )


def _rule(found: Json, firing: list[Json]) -> Check:
    """Check an alert rule: breached is a note, firing and critical a failure."""
    fires = next((each for each in firing if each["rule"] == found["rule"] and each["labels"] == found["labels"]), None)
    name = f"alert {found['rule']}"
    if fires is not None:
        since = fires["since"][:16].replace("T", " ")
        return Check(name, "failed" if found["severity"] == "critical" else "note", f"firing since {since} UTC: {fires['summary']}")
    if found["breached"]:
        return Check(name, "note", f"{found['summary']}; not long enough to fire yet")
    return Check(name, "ok", found["summary"])


def _projection(found: Json) -> Check:
    """Check a projection: one that is behind catches up by itself."""
    name = f"projection {found['name']}"
    if found["parked"]:
        detail = f"failed on {found['parked']} sessions, which are missing from its results: the worker's log says why (projection.parked)"
        return Check(name, "note", detail)
    if found["behind"]:
        return Check(name, "note", f"not yet up to date with {found['behind']} sessions; the worker continues by itself")
    return Check(name, "ok", "up to date with every session")


def _parked(found: Json) -> Check:
    again = "again" if found["retry_at"] else "only after an update of Cairn changes this projection"
    return Check(f"projection {found['projection']}", "note", f"session {found['session_id']}: {found['reason']} It is tried {again}.")


def _provider(found: Json) -> Check:
    """Check a provider: without a key it is left out on purpose; without a price it is misconfigured."""
    name = f"provider {found['name']}"
    if found["standing"] != "ready":
        return Check(name, "note" if found["standing"] in {"no_key", "no_address"} else "failed", found["detail"])
    if found["breaker"] != "closed":
        return Check(
            name, "note", f"{found['model']} is paused after failures: it gets no calls, and is tried again in {found['retry_in']:.0f} s"
        )
    return Check(name, "ok", f"{found['model']}: healthy" + (f", {found['detail']}" if found["free"] else ""))


def _state_text(name: str, state: str) -> str:
    if state == "ok":
        return "has room" if name == "disk" else "answers"
    return {
        "database": "does not answer",
        "replicas": (
            "one or more replicas are not used; the others or the primary are read instead: the server's log says why (replica.left_alone)"
        ),
        "vectors": "does not answer: searches use PostgreSQL's full-text search",
        "embeddings": "the model can't be loaded: searches are lexical only",
        "redis": "does not answer: messages get 503; each server has breakers, limits and caches of its own; replicas aren't read",
        "worker": "is not running: uploaded sessions wait until it runs",
        "loops": "background work fails repeatedly: the server's log says why (loop.failed)",
    }.get(name, "is not ok: the server's log may say why")


async def _openid(client: ServerClient) -> Check | None:
    """Check the OpenID provider; None: none is set, or who asks is no admin."""
    from app.cli.exits import ServerRefused

    try:
        found = await client.get("/v1/openid")
    except ServerRefused:
        return None
    if found["name"] is None:
        return None
    if found["problem"] is not None:
        return Check("sign-in with OpenID", "failed", found["problem"])
    return Check("sign-in with OpenID", "ok", f"{found['issuer']}; redirect URI: {found['callback']}")


def _keys(settings: Settings) -> Check:
    if settings.embedded and settings.admin_key is None:
        return Check("keys", "ok", "the admin key is in the data folder")
    return Check("keys", "ok", "the admin key is set")
