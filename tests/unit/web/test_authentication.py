"""The one way in, driven as an ASGI server drives it: the application's own routes, accounts that count how often they are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.accounts.requester import Requester
from app.errors import DatabaseUnavailable, NotAuthenticated, NotFound, NotPermitted
from app.main import ACCESS, create_app
from app.rate_limits.limits import RateLimits
from app.services import Services
from app.settings import LimitsSettings, Settings
from app.web.authentication import Authentication
from app.web.requester import REQUESTER, SCRAPER

APP = create_app(Settings())
PAGE = APP.openapi()
ROUTES = [(method.upper(), path) for path, methods in PAGE["paths"].items() for method in methods]
UNDER_A_KEY = [route for route in ROUTES if not ACCESS.is_open(route[1])]
OPEN = [route for route in ROUTES if ACCESS.is_open(route[1])]
TEAM, OTHER = uuid4(), uuid4()


def developer(name: str = "ada") -> Requester:
    return Requester(TEAM, "core", uuid4(), name, uuid4())


@dataclass
class FakeAccounts:
    """`keys`: whose each is. `asked`: every key that was to be authenticated, in order."""

    keys: dict[str, Requester] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def authenticate(self, key: str) -> Requester:
        self.asked.append(key)
        await asyncio.sleep(0)
        if self.away:
            raise DatabaseUnavailable("The database doesn't answer.")
        if key not in self.keys:
            raise NotAuthenticated("This key is not valid.")
        return self.keys[key]

    async def in_team(self, requester: Requester, team: str) -> Requester:
        if not requester.is_admin:
            if team != requester.team:
                raise NotPermitted("Ask for your own team.")
            return requester
        if team != "other":
            raise NotFound(f"There is no team {team!r}.")
        return Requester(OTHER, team, role="admin")


@dataclass
class Bench:
    """The middleware around an application that notes what reaches it, or the whole application. `bodies_read`: of the last request."""

    accounts: FakeAccounts
    services: Services
    reached: list[Scope] = field(default_factory=list)
    bodies_read: int = 0

    def __post_init__(self) -> None:
        self.middleware = Authentication(self._behind, access=ACCESS)

    async def ask(
        self, method: str, path: str, *headers: tuple[str, str], key: str | None = None, whole: bool = False, body: bytes = b"{"
    ) -> tuple[int, dict[str, str], Any]:
        """(status, headers, JSON). `whole`: through the real routes; else nothing stands behind the middleware."""
        sent = [("authorization", f"Bearer {key}")] if key is not None else []
        scope: Scope = {
            "type": "http",
            "app": APP,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in [*sent, *headers]],
        }
        messages: list[Message] = []

        async def receive() -> Message:
            self.bodies_read += 1
            return {"type": "http.request", "body": body, "more_body": False} if self.bodies_read == 1 else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            messages.append(message)

        APP.state.services = self.services
        application: Any = APP if whole else self.middleware
        self.bodies_read = 0
        await application(scope, receive, send)
        answer = b"".join(each.get("body", b"") for each in messages[1:])
        kept = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        return messages[0]["status"], kept, json.loads(answer) if answer[:1] == b"{" else None

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(scope)
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def served(accounts: FakeAccounts, *, limits: LimitsSettings | None = None, scrape_key: str | None = None) -> Services:
    """Services of which only these parts are there."""
    made = object.__new__(Services)
    settings = Settings(scrape_key=None if scrape_key is None else SecretStr(scrape_key))
    for name, value in {
        "account_services": SimpleNamespace(accounts=accounts),
        "limits": RateLimits(limits or LimitsSettings()),
        "settings": settings,
    }.items():
        object.__setattr__(made, name, value)
    return made


@pytest.fixture
def bench() -> Bench:
    accounts = FakeAccounts({"ada": developer(), "bob": developer("bob"), "root": Requester(TEAM, "core", role="admin")})
    return Bench(accounts, served(accounts))


@pytest.fixture(autouse=True)
def without_services() -> Iterator[None]:
    yield
    APP.state._state.pop("services", None)


def filled(path: str) -> str:
    """A route's path with something in the place of its parameters."""
    return "/".join(str(UUID(int=1)) if part.startswith("{") else part for part in path.split("/"))


def requester_in(scope: Scope) -> Requester:
    found = scope[REQUESTER]
    assert isinstance(found, Requester)
    return found


def test_there_are_routes_of_both_kinds() -> None:
    assert len(UNDER_A_KEY) > 50
    keyless = {"/", "/v1", "/healthz", "/readyz", "/api/hello", "/v1/invitations/accept", "/v1/webhooks/git"}
    assert {path for _, path in OPEN} == keyless


@pytest.mark.parametrize(("method", "path"), UNDER_A_KEY)
async def test_a_route_checks_its_key_exactly_once(bench: Bench, method: str, path: str) -> None:
    with capture_logs(), suppress(Exception):  # the services that it goes on to ask aren't there
        await bench.ask(method, filled(path), key="root", whole=True)
    assert bench.accounts.asked == ["root"]


@pytest.mark.parametrize(("method", "path"), UNDER_A_KEY)
@pytest.mark.parametrize("key", [None, "", "nobody"])
async def test_no_route_is_reached_or_reads_its_body_without_a_good_key(bench: Bench, method: str, path: str, key: str | None) -> None:
    status, headers, body = await bench.ask(method, filled(path), key=key)
    assert (status, body["error"]["code"], headers["www-authenticate"]) == (401, "not_authenticated", 'Bearer realm="cairn"')
    assert (bench.reached, bench.bodies_read) == ([], 0)


async def test_open_paths_ask_for_no_key(bench: Bench) -> None:
    open_paths = ("/", "/v1", "/healthz", "/readyz", "/docs", "/docs/reference.css", "/openapi.json", "/dashboard", "/dashboard/sign-in")
    for path in open_paths:
        assert (await bench.ask("GET", path))[0] == 200
    assert (bench.accounts.asked, len(bench.reached)) == ([], len(open_paths))


@pytest.mark.parametrize("path", ["/dashboards", "/docs/more", "/healthz/x", "/v1/", "/v1/more", "/mcp", "//", "//dashboard"])
async def test_what_only_looks_like_an_open_path_takes_a_key(bench: Bench, path: str) -> None:
    await bench.ask("GET", path, key="ada")
    assert bench.accounts.asked == ["ada"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nowhere", 404), ("GET", "/nowhere", 404), ("PUT", "/v1/models", 405)])
@pytest.mark.parametrize("key", [None, "nobody", "ada"])
async def test_what_no_route_takes_is_answered_so_whoever_asks(bench: Bench, method: str, path: str, status: int, key: str | None) -> None:
    assert (await bench.ask(method, path, key=key, whole=True))[0] == status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_taken_in_any_case(bench: Bench, scheme: str) -> None:
    assert (await bench.ask("GET", "/v1/models", ("authorization", f"{scheme}  ada ")))[0] == 200
    assert requester_in(bench.reached[0]).developer == "ada"


@pytest.mark.parametrize("value", ["", "ada", "Bearer", "Bearer ", "Basic ada", "Bearer\tada", "Token ada"])
async def test_what_is_no_bearer_key_is_refused_without_a_look(bench: Bench, value: str) -> None:
    assert (await bench.ask("GET", "/v1/models", ("authorization", value)))[0] == 401
    assert bench.accounts.asked == []


@pytest.mark.parametrize("key", ["k" * 65_536, "ü" * 5000, "ada\x7f", "ada,bob"])
async def test_a_key_of_any_length_or_letters_is_only_wrong(bench: Bench, key: str) -> None:
    assert (await bench.ask("GET", "/v1/models", key=key))[0] == 401


async def test_a_key_may_come_as_anthropics_clients_send_it(bench: Bench) -> None:
    assert (await bench.ask("GET", "/v1/models", ("x-api-key", " ada ")))[0] == 200
    assert (await bench.ask("GET", "/v1/models", ("x-api-key", "ada"), key="ada"))[0] == 200
    assert [requester_in(each).developer for each in bench.reached] == ["ada", "ada"]
    assert (await bench.ask("GET", "/v1/models", ("x-api-key", "nobody")))[0] == 401
    for more in ([("x-api-key", "bob")], [("x-api-key", "ada"), ("x-api-key", "bob")]):
        status, _, body = await bench.ask("GET", "/v1/models", *more, key="ada")
        assert (status, "Two different" in body["error"]["message"]) == (401, True)
    assert (await bench.ask("GET", "/v1/models", ("x-api-key", " ")))[0] == 401
    assert bench.accounts.asked == ["ada", "ada", "nobody"]


async def test_a_key_sent_twice_is_one_and_two_keys_are_none(bench: Bench) -> None:
    assert (await bench.ask("GET", "/v1/models", ("authorization", "Bearer ada"), key="ada"))[0] == 200
    for first, second in (("ada", "bob"), ("bob", "ada"), ("ada", "nobody"), ("nobody", "root")):
        status, _, body = await bench.ask("GET", "/v1/models", ("authorization", f"Bearer {second}"), key=first)
        assert (status, "Two different" in body["error"]["message"]) == (401, True)
    assert bench.accounts.asked == ["ada"]


@pytest.mark.parametrize("name", ["x-cairn-team", "x-cairn-developer", "x-cairn-purpose"])
async def test_a_header_sent_twice_with_two_values_is_named(bench: Bench, name: str) -> None:
    status, _, body = await bench.ask("GET", "/v1/models", (name, "core"), (name, "other"), key="root")
    assert (status, body["error"]["param"]) == (422, name)
    assert bench.reached == []


@pytest.mark.parametrize(("name", "longest"), [("x-cairn-team", 100), ("x-cairn-developer", 200), ("x-cairn-purpose", 64)])
async def test_a_header_that_is_too_long_is_named(bench: Bench, name: str, longest: int) -> None:
    status, _, body = await bench.ask("GET", "/v1/models", (name, "a" * (longest + 1)), key="root")
    assert (status, body["error"]["param"]) == (422, name)
    assert f"longer than {longest} characters" in body["error"]["message"]


async def test_a_purpose_that_looks_like_a_secret_is_refused(bench: Bench) -> None:
    status, _, body = await bench.ask("GET", "/v1/models", ("x-cairn-purpose", "gh" + "p_" + "Z9y8X7w6V5" * 3 + "u4T3s2"), key="ada")
    assert (status, body["error"]["param"]) == (422, "x-cairn-purpose")
    assert "Z9y8X7w6V5" not in body["error"]["message"]


async def test_the_requester_has_what_the_headers_say(bench: Bench) -> None:
    headers = (("x-cairn-team", "other"), ("x-cairn-developer", "grace"), ("x-cairn-purpose", "review"))
    await bench.ask("GET", "/v1/models", *headers, key="root")
    found = requester_in(bench.reached[0])
    assert (found.team, found.team_id, found.role, found.acts_for, found.purpose) == ("other", OTHER, "admin", "grace", "review")


async def test_a_developer_acts_for_nobody_else(bench: Bench) -> None:
    await bench.ask("GET", "/v1/models", ("x-cairn-developer", "grace"), key="ada")
    assert requester_in(bench.reached[0]).acts_for is None
    status, _, body = await bench.ask("GET", "/v1/models", ("x-cairn-team", "other"), key="ada")
    assert (status, body["error"]["code"], len(bench.reached)) == (403, "not_permitted", 1)


async def test_an_admin_is_told_of_a_team_that_is_not_there(bench: Bench) -> None:
    assert (await bench.ask("GET", "/v1/models", ("x-cairn-team", "nobody"), key="root"))[0] == 404
    assert bench.reached == []


async def test_requests_at_once_each_have_their_own_requester(bench: Bench) -> None:
    names = ["ada", "bob", "root"] * 20
    await asyncio.gather(*(bench.ask("GET", "/v1/models", ("x-cairn-purpose", name), key=name) for name in names))
    found = [(requester_in(scope).name, requester_in(scope).purpose) for scope in bench.reached]
    assert sorted(found) == sorted([("ada", "ada"), ("bob", "bob"), ("admin", "root")] * 20)


async def test_a_key_that_was_revoked_meanwhile_opens_nothing(bench: Bench) -> None:
    assert (await bench.ask("GET", "/v1/models", key="ada"))[0] == 200
    del bench.accounts.keys["ada"]
    assert (await bench.ask("GET", "/v1/models", key="ada"))[0] == 401
    assert len(bench.reached) == 1


async def test_a_client_cannot_bring_its_own_requester(bench: Bench) -> None:
    await bench.ask("GET", "/v1/models", (REQUESTER, "root"), (SCRAPER, "1"), key="ada")
    assert requester_in(bench.reached[0]).developer == "ada"


async def test_where_nobody_can_tell_whose_key_it_is_the_answer_is_503(bench: Bench) -> None:
    bench.accounts.away = True
    status, headers, body = await bench.ask("POST", "/v1/knowledge/query", key="ada")
    assert (status, body["error"]["code"], headers["retry-after"]) == (503, "database_unavailable", "1")
    assert (bench.reached, bench.bodies_read) == ([], 0)


async def test_an_admins_route_refuses_a_developer_before_its_body_is_read(bench: Bench) -> None:
    """The body is none that the route takes, which FastAPI would say first."""
    for method, path in (
        ("POST", "/v1/teams"),
        ("POST", "/v1/developers"),
        ("PUT", "/v1/budgets/ada"),
        ("PATCH", filled("/v1/projects/{id}")),
    ):
        assert (await bench.ask(method, path, key="ada", whole=True))[0] == 403
        assert (await bench.ask(method, path, key="root", whole=True))[0] == 422


async def test_over_its_limit_a_key_is_refused_unread_and_told_what_is_left() -> None:
    accounts = FakeAccounts({"ada": developer(), "root": Requester(TEAM, "core", role="admin")})
    bench = Bench(accounts, served(accounts, limits=LimitsSettings(requests_a_minute=1)))
    with capture_logs() as logged:
        answers = [await bench.ask("POST", path, key="ada") for path in ("/v1/knowledge/query", "/v1/knowledge/query", "/v1/nowhere")]
        admins = [await bench.ask("GET", "/v1/models", key="root") for _ in range(3)]
        wrong = await bench.ask("GET", "/v1/models", key="nobody")
    assert [status for status, _, _ in answers] == [200, 429, 429]
    assert {headers["x-ratelimit-remaining-requests"] for _, headers, _ in answers} == {"0"}
    assert (len(bench.reached), bench.bodies_read) == (4, 0)
    assert [each["developer"] for each in logged if each["event"] == "limits.refused"] == ["ada"]  # once a minute
    assert not [name for _, headers, _ in [*admins, wrong] for name in headers if name.startswith("x-ratelimit")]


async def test_a_request_with_wrong_headers_is_counted_too() -> None:
    accounts = FakeAccounts({"ada": developer()})
    bench = Bench(accounts, served(accounts, limits=LimitsSettings(requests_a_minute=1)))
    statuses = [(await bench.ask("GET", "/v1/models", ("x-cairn-team", "other"), key="ada"))[0] for _ in range(2)]
    assert statuses == [403, 429]


async def test_metrics_take_the_scrape_key_or_the_admins_and_nothing_else_takes_the_scrape_key() -> None:
    accounts = FakeAccounts({"ada": developer(), "root": Requester(TEAM, "core", role="admin")})
    bench = Bench(accounts, served(accounts, scrape_key="scrape-scrape-scrape-scrape"))
    assert (await bench.ask("GET", "/metrics", key="scrape-scrape-scrape-scrape"))[0] == 200
    assert (bench.reached[0].get(REQUESTER), bench.reached[0][SCRAPER], accounts.asked) == (None, True, [])
    assert (await bench.ask("GET", "/v1/models", key="scrape-scrape-scrape-scrape"))[0] == 401
    assert (await bench.ask("GET", "/metrics", key="ü"))[0] == 401
    assert (await bench.ask("GET", "/metrics", key="ada", whole=True))[0] == 403


async def test_the_scrape_key_where_none_is_set_opens_nothing(bench: Bench) -> None:
    for key in ("", "None", "scrape"):
        assert (await bench.ask("GET", "/metrics", key=key))[0] == 401


async def test_the_log_line_says_who_asked_and_what_for(bench: Bench) -> None:
    with capture_logs() as logged:
        await bench.ask("POST", "/v1/knowledge/query", ("x-cairn-purpose", "hook"), key="ada", whole=True)
        await bench.ask("POST", "/v1/knowledge/query", key="root", whole=True)
        await bench.ask("POST", "/v1/knowledge/query", key="nobody", whole=True)
    lines = [each for each in logged if each["event"] == "http.answered"]
    assert [(each.get("developer"), each.get("team"), each.get("purpose")) for each in lines] == [
        ("ada", None, "hook"),
        ("admin", "core", None),
        (None, None, None),
    ]


async def test_what_is_no_request_passes_untouched(bench: Bench) -> None:
    scope: Scope = {"type": "lifespan"}

    async def nothing(*_: Any) -> Any: ...

    seen: list[Scope] = []

    async def lifespan(given: Scope, receive: Receive, send: Send) -> None:
        seen.append(given)

    await Authentication(lifespan, access=ACCESS)(scope, nothing, nothing)
    assert seen == [scope]
