"""Opens every page of a seeded dashboard in Chromium, in every look, and checks it: a table, and exit code 1 where something is missing.

.venv/bin/python tests/performance/check_pages.py              all looks: 1280, 768, 375 and 320 px, light and dark, with and without script
.venv/bin/python tests/performance/check_pages.py --short      three looks: a desk by day, a phone by night, a small one without script
.venv/bin/python tests/performance/check_pages.py --only knowledge      pages whose address has this in it

Pages are found from the router, so a new one is checked at once; a parameter of a new address needs an example here.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import pkgutil
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.async_api import Browser, async_playwright

from app import dashboard
from tests import month
from tests.conftest import ROOT
from tests.integration.api.conftest import Api, serving
from tests.performance.page_checks import MAX_BYTES, Checked, Look, PageChecker

SESSIONS = ROOT / "examples" / "sessions"
LOOKS: Final = tuple(Look(width, dark, script) for width in (1280, 768, 375, 320) for dark in (False, True) for script in (True, False))
SHORT: Final = (Look(1280), Look(375, dark=True), Look(320, script=False))
NO_PAGES: Final = frozenset(
    {
        "/dashboard",
        "/dashboard/live",
        "/dashboard/assets/{digest}/{file}",
        "/dashboard/sign-in/openid",
        "/dashboard/sign-in/openid/callback",
    }
)
"""Redirects, a stream, and files."""
MERGE: Final = "/dashboard/projects/{project_id}/merge"
"""Without the name of another project it says what is missing."""
FILES: Final = (".csv", ".ndjson")
SIGNED_OUT: Final = ("/dashboard/sign-in", "/invite/")
STATES: Final = (
    "/dashboard/knowledge?q=why+did+we+pick+NATS+over+Kafka",
    "/dashboard/knowledge?q=xylophone+quokka+zebra",
    "/dashboard/knowledge/items?subject=nothing+like+it",
    "/dashboard/knowledge/review?list=most_useful&project=nowhere",
    "/dashboard/knowledge/review?list=nothing&cursor=x",
    "/dashboard/knowledge/review?list=contradicted",
    "/dashboard/sessions?project=nowhere&since=2999-01-01&subject=NATS&order=oldest",
    "/dashboard/sessions?subject=nothing+like+it",
    "/dashboard/prompts?developer=nobody",
    "/dashboard/calls?range=90d&developer=nobody&min_cost=x",
    "/dashboard/spend?by=session&range=year",
    "/dashboard/system?span=week",
)
"""Addresses of pages in other states than their first one."""
ODD: Final = (
    ("Die Donaudampfschifffahrtsgesellschaft bucht doppelt", "src/" + "very_long_folder_name_without_end/" * 8 + "file.py"),
    ("x" * 190, "q" * 200),
    ("\u6c47\u7387\u5728\u5b63\u5ea6\u672b\u56db\u820d\u4e94\u5165" * 8, "\u8d26\u672c/\u6c47\u7387.py"),
    (
        "\u064a\u062c\u0628 \u062a\u0642\u0631\u064a\u0628 \u0627\u0644\u0645\u0628\u0627\u0644\u063a \u0642\u0628\u0644 \u0627\u0644\u062c\u0645\u0639",
        "\u062d\u0633\u0627\u0628.py",
    ),
)
"""Titles and paths of items in other scripts, and without a place to break."""
CONTRADICTING: Final = ("Access tokens expire after 15 minutes.", "Access tokens expire after 24 hours.")


@dataclass(frozen=True, slots=True)
class Address:
    """A page to open. `who`: whose key signs in, None for nobody; `status`: what it answers."""

    path: str
    who: str | None
    status: int = 200


async def main(*, short: bool, only: str) -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("Chromium isn't installed: apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="cairn-pages-", dir="/tmp") as scratch:
        async with serving(Path(scratch) / "data", log={"level": "error"}) as api, async_playwright() as playwright:
            await month.seed(api.services)
            await month.seed_measures(api.services)
            for session in sorted(SESSIONS.iterdir()):
                await api.ingest(session.read_bytes(), name=session.name)
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
            keys, addresses = await addresses_of(api, developer="elif")
            wanted = [each for each in addresses if only in each.path]
            checked = await check_all(browser, api.url, keys, wanted, SHORT if short else LOOKS)
            await browser.close()
    print(table(checked))
    return 1 if any(each.misses for each in checked) or not checked else 0


async def addresses_of(api: Api, *, developer: str) -> tuple[dict[str, str], list[Address]]:
    """Find the pages, fill their addresses with what the server has, and say who opens them. Return the keys of those, too."""
    made = await api.ask("POST", f"/v1/developers/{developer}/keys")
    keys, filling = {"admin": api.key, "developer": str(made.json["key"])}, await examples(api, developer)
    found = []
    for path in paths():
        filled = re.sub(r"\{(\w+)(?::\w+)?\}", lambda name: filling[name.group(1)], path)
        who = None if filled.startswith(SIGNED_OUT) else "developer" if path == "/dashboard/budget" else "admin"
        found.append(Address(filled, who, {"/dashboard/{rest:path}": 404, MERGE: 422}.get(path, 200)))
    item = filling["item_id"]
    both = [
        *(Address(each, "admin") for each in STATES),
        Address("/dashboard/knowledge", "developer"),
        Address("/dashboard/knowledge/review", "developer", 403),
        Address("/dashboard/system", "developer", 403),
    ]
    odd = [Address(f"/dashboard/knowledge/items/{each}", "admin") for each in await odd_items(api) if each != item]
    return keys, [*found, *both, *odd]


def paths() -> list[str]:
    """Return the templates of all addresses that answer with a page, as the router has them."""
    modules = [importlib.import_module(f"app.dashboard.{each.name}") for each in pkgutil.iter_modules(dashboard.__path__)]
    routers = [one for module in modules for name in ("router", "rest") if (one := getattr(module, name, None)) is not None]
    routes = {route.path for router in routers for route in router.routes if "GET" in route.methods}
    return sorted(each for each in routes if each not in NO_PAGES and not each.endswith(FILES))


async def examples(api: Api, developer: str) -> dict[str, str]:
    """Return a value for each parameter of an address."""
    item = await api.ask("GET", "/v1/knowledge", params={"limit": "1"})
    session = await api.ask("GET", "/v1/sessions", params={"limit": "1"})
    guest = f"guest-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": guest, "team": "default"})).status == 201
    keys = await api.ask("GET", "/v1/keys", params={"developer": developer})
    projects = {each["name"]: each["id"] for each in (await api.ask("GET", "/v1/projects")).json["projects"]}
    invitation = await api.ask("POST", f"/v1/developers/{guest}/invitations", json={})
    return {
        "item_id": item.json["items"][0]["id"],
        "session_id": session.json["sessions"][0]["id"],
        "name": developer,
        "key_id": next(each["id"] for each in keys.json["keys"] if each["revoked_at"] is None),
        "project_id": projects[item.json["items"][0]["project"]],
        "project_name": item.json["items"][0]["project"],
        "chart": "search-seconds",
        "token": invitation.json["token"],
        "rest": "nowhere",
    }


async def odd_items(api: Api) -> list[str]:
    """Record items that are hard to lay out, in a project whose name is, too, and two that contradict each other; return their ids."""
    found, project = [], "project-" + "n" * 80
    odd = [(title, f"{title} {uuid4()}", [path]) for title, path in ODD]
    for title, text, files in (*odd, *((None, each, []) for each in CONTRADICTING)):
        words = {"type": "gotcha", "project": project, "title": title, "text": text, "paths": files}
        made = await api.ask("POST", "/v1/knowledge", json=words)
        assert made.status == 201, made.text
        found.append(made.json["id"])
    return found


async def check_all(browser: Browser, url: str, keys: dict[str, str], addresses: Sequence[Address], looks: Sequence[Look]) -> list[Checked]:
    """Check every address in every look; one window for each look and person."""
    found = []
    for look in looks:
        for who in sorted({each.who for each in addresses}, key=str):
            window = await PageChecker.open(browser, url, look, keys[who] if who else None)
            found += [await window.check(each.path, status=each.status) for each in addresses if each.who == who]
            await window.close()
    return found


def table(checked: Sequence[Checked]) -> str:
    """Write what was found: a line for each page, with its weight and slowest paint in any look, and each miss once."""
    lines = [f"{'page':60} {'looks':>5} {'sent kB':>8} {'unpacked':>8} {'paint ms':>8}  misses"]
    for path in sorted({each.path for each in checked}):
        of_path = [each for each in checked if each.path == path]
        paint = max((each.paint_ms or 0 for each in of_path), default=0)
        weights = [max(getattr(each, name) for each in of_path) / 1000 for name in ("sent", "unpacked")]
        lines.append(
            f"{path[:60]:60} {len(of_path):5} {weights[0]:8.0f} {weights[1]:8.0f} {paint:8.0f}  {sum(len(each.misses) for each in of_path)}"
        )
        told: dict[str, list[str]] = {}
        for each in of_path:
            for miss in each.misses:
                told.setdefault(miss, []).append(str(each.look))
        lines += [f"    {miss}   [{'; '.join(looks[:3])}{' …' if len(looks) > 3 else ''}]" for miss, looks in told.items()]
    return "\n".join([*lines, f"weight: at most {MAX_BYTES // 1000} kB unpacked; paint: the largest contentful one, in the slowest look"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    sys.exit(asyncio.run(main(short=given.short, only=given.only)))
