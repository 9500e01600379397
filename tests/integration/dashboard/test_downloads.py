"""Files that a browser saves: every one is named, kept by no cache, and a sum below zero is a number in it."""

from __future__ import annotations

import csv
import importlib
import io
import pkgutil
from uuid import uuid4

from app import dashboard
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from tests.integration.api.conftest import Api
from tests.integration.dashboard.test_privacy import signed_in

ENDINGS = (".csv", ".ndjson", "/export")
NAMES = {"{name}": "ada", "{name:path}": "ada", "{developer}": "ada", "{chart}": "throughput"}


def pages() -> set[str]:
    """Addresses of the dashboard's downloads."""
    modules = (importlib.import_module(f"app.dashboard.{each.name}") for each in pkgutil.iter_modules(dashboard.__path__))
    routes = [route for module in modules if hasattr(module, "router") for route in module.router.routes]
    return {route.path for route in routes if "GET" in route.methods and route.path.endswith(ENDINGS)}


def filled(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace(name, value)
    return path


async def test_every_download_is_named_and_kept_by_no_cache(api: Api) -> None:
    routes = {path for path, methods in api.app.openapi()["paths"].items() if "get" in methods and path.endswith(ENDINGS)}
    assert len(routes) >= 4
    assert len(pages()) >= 9
    async with signed_in(api, api.key) as http:
        for path in sorted(pages() | routes):
            headers = {"authorization": f"Bearer {api.key}"} if path in routes else {}
            async with http.get(api.url + filled(path), headers=headers) as reply:
                told = (reply.status, reply.headers.get("cache-control"), reply.headers.get("content-disposition", "").partition(";")[0])
                assert told == (200, "no-store", "attachment"), (path, await reply.text())


async def test_a_sum_below_zero_is_a_number_in_a_download_and_a_note_no_formula(api: Api) -> None:
    name, usd = f"below-{uuid4().hex[:8]}", 1_000_000_000
    assert (await api.ask("POST", "/v1/developers", json={"name": name})).status == 201
    payer, ledger = await api.services.accounts.find_developer(name), api.services.budget.ledger
    hold = await ledger.hold(
        Payer(payer.id, payer.team_id), Attempt(uuid4().hex, 1, "fake", "fake-1"), Estimate(TokenBounds(10, 10), 2 * usd)
    )
    await ledger.settle(hold, Settlement(TokenUsage(input=10), usd, "usage"))
    charge = (await api.ask("GET", f"/v1/budgets/{name}/movements")).json["movements"][0]
    body = {"movement": charge["id"], "charged_usd": 0.25, "note": "-1+cmd|' /C calc'!A0"}
    assert (await api.ask("POST", f"/v1/budgets/{name}/corrections", json=body)).status == 201
    async with signed_in(api, api.key) as http, http.get(f"{api.url}/dashboard/developers/{name}/movements.csv") as reply:
        correction = next(csv.DictReader(io.StringIO(await reply.text())))
    assert (correction["kind"], float(correction["usd"]), correction["note"]) == ("correction", -0.75, f"'{body['note']}")
