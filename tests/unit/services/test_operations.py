"""Operations on rooms that know no account: who may, for which team, in whose name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.accounts.views import OpennessChange
from app.alerts.monitoring import Monitoring
from app.errors import NotAuthenticated, NotFound, NotPermitted
from app.services import administration, keys, operations, people
from app.storage.pages import PageWanted

TEAM, JOB = uuid4(), uuid4()
ADA = Requester(TEAM, "core", uuid4(), "ada", uuid4())
AUDITOR = Requester(TEAM, "core", uuid4(), "otto", uuid4(), role="auditor")
ADMIN = Requester(TEAM, "core", role="admin")
LEAD = Requester(TEAM, "core", uuid4(), "lin", uuid4(), role="lead")
GROUP: Any = {"group": "g", "consumer": "c", "limit": 1}
PAGE = PageWanted(limit=1)


class Rooms:
    """Services whose every part notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.messages: Any = SimpleNamespace(**{name: self._noting(name) for name in ("publish", "receive", "acknowledge", "dead_letters")})
        self.queue: Any = SimpleNamespace(get=self._noting("get"))
        self.caches: Any = {"completions": SimpleNamespace(clear=self._noting("clear"))}

    def _noting(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **options: Any) -> Any:
            self.asked.append((name, args, options))
            return SimpleNamespace(id="1-0", redactions={})

        return asked


OPERATIONS: dict[str, Callable[[Any, Requester], Awaitable[object]]] = {
    "put": lambda rooms, who: operations.put_message(rooms, who, "work", kind="task", payload=1, to=None),
    "receive": lambda rooms, who: operations.receive_messages(rooms, who, "work", **GROUP),
    "acknowledge": lambda rooms, who: operations.acknowledge_messages(rooms, who, "work", group="g", ids=["1-0"]),
    "dead letters": lambda rooms, who: operations.dead_letters(rooms, who, "work", PAGE),
    "a job": lambda rooms, who: operations.show_job(rooms, who, JOB),
    "a cache": lambda rooms, who: operations.empty_cache(rooms, who, "completions"),
}


@pytest.mark.parametrize("name", ["put", "receive", "acknowledge", "a cache"])
async def test_who_may_only_read_changes_nothing(name: str) -> None:
    rooms = Rooms()
    with pytest.raises(NotPermitted):
        await OPERATIONS[name](rooms, AUDITOR)
    assert rooms.asked == []


@pytest.mark.parametrize("name", ["dead letters", "a job"])
async def test_who_may_only_read_reads(name: str) -> None:
    rooms = Rooms()
    await OPERATIONS[name](rooms, AUDITOR)
    assert len(rooms.asked) == 1


@pytest.mark.parametrize("name", ["put", "receive", "acknowledge", "dead letters"])
async def test_a_channel_is_the_requesters_teams(name: str) -> None:
    rooms = Rooms()
    await OPERATIONS[name](rooms, ADA)
    assert rooms.asked[0][1][:2] == (TEAM, "work")


@pytest.mark.parametrize(("who", "sender"), [(ADA, "ada"), (ADMIN, "admin")])
async def test_a_message_is_put_in_its_senders_name(who: Requester, sender: str) -> None:
    rooms = Rooms()
    await OPERATIONS["put"](rooms, who)
    assert rooms.asked[0][2]["sender"] == sender


@pytest.mark.parametrize(("who", "team"), [(ADA, TEAM), (ADMIN, None)])
async def test_a_job_is_its_teams_and_any_to_an_admin(who: Requester, team: object) -> None:
    rooms = Rooms()
    await OPERATIONS["a job"](rooms, who)
    assert rooms.asked == [("get", (JOB,), {"team_id": team})]


async def test_only_an_admin_empties_a_cache_and_one_that_is_none_is_named() -> None:
    rooms: Any = Rooms()
    with pytest.raises(NotPermitted, match="admin key"):
        await OPERATIONS["a cache"](rooms, ADA)
    with pytest.raises(NotFound, match="There are: completions"):
        await operations.empty_cache(rooms, ADMIN, "nothing")


async def test_a_text_comes_back_without_its_secrets() -> None:
    done = await operations.take_out_secrets(AUDITOR, "psql postgres://shop:hunter2-but-longer@db/shop")
    assert "hunter2" not in done.text
    assert [each.kind for each in done.findings] == ["url-password"]


async def test_what_came_while_a_key_was_disabled_is_not_given() -> None:
    async def refreshed(_: Requester) -> Requester:
        raise NotAuthenticated("ada is disabled here.")

    rooms: Any = Rooms()
    rooms.accounts = SimpleNamespace(refreshed=refreshed)
    with pytest.raises(NotAuthenticated):
        await operations.receive_messages(rooms, ADA, "work", **GROUP, wait_seconds=1)
    assert [name for name, _, _ in rooms.asked] == ["receive"]


async def _list(operation: Callable[[Any, Requester], object], rooms: Any, who: Requester) -> object:
    return operation(rooms, who)


def monitoring() -> Any:
    return Monitoring(*[SimpleNamespace()] * 6)  # type: ignore[arg-type]


ADMINISTRATION: dict[str, Callable[[Any, Requester], Awaitable[object]]] = {
    "list_caches": lambda rooms, who: _list(operations.list_caches, rooms, who),
    "list_providers": lambda rooms, who: _list(operations.list_providers, rooms, who),
    "rebuild_index": lambda rooms, who: operations.rebuild_index(rooms, who, lambda done, total: None),
    "alerts": lambda rooms, who: monitoring().report(who),
    "alerts that are over": lambda rooms, who: monitoring().history(who, PAGE),
    "change_developer": lambda rooms, who: administration.change_developer(rooms, who, "ada", role="lead"),
    "remove_developer": lambda rooms, who: people.remove_developer(rooms, who, "ada", sessions="erase"),
    "export_sessions": lambda rooms, who: people.export_sessions(rooms, who, "somebody else"),
    "invite": lambda rooms, who: people.invite(rooms, who, "ada", team=None, role=None, expires="7d"),
    "list_invitations": lambda rooms, who: people.list_invitations(rooms, who, PAGE),
    "revoke_invitation": lambda rooms, who: people.revoke_invitation(rooms, who, JOB),
    "create_team": lambda rooms, who: administration.create_team(rooms, who, "core"),
    "list_teams": administration.list_teams,
    "list_teams_page": lambda rooms, who: administration.list_teams_page(rooms, who, PAGE),
    "create_developer": lambda rooms, who: administration.create_developer(rooms, who, "ada", team="core", monthly_limit_nanousd=None),
    "list_developers": lambda rooms, who: administration.list_developers(rooms, who, PAGE),
    "list_keys": lambda rooms, who: keys.list_keys(rooms, who, PAGE, developer="somebody else"),
    "create_key": lambda rooms, who: keys.create_key(rooms, who, "ada"),
    "rename_project": lambda rooms, who: administration.change_project(rooms, who, JOB, name="shop", openness=OpennessChange()),
    "merge_projects": lambda rooms, who: administration.merge_projects(rooms, who, JOB, JOB),
}


@pytest.mark.parametrize("administer", ADMINISTRATION.values(), ids=ADMINISTRATION.keys())
@pytest.mark.parametrize("who", [ADA, AUDITOR, LEAD], ids=["developer", "auditor", "lead"])
async def test_only_an_admin_administers(administer: Callable[[Any, Requester], Awaitable[object]], who: Requester) -> None:
    with pytest.raises(NotPermitted, match="role admin"):
        await administer(SimpleNamespace(), who)


@pytest.mark.parametrize("who", [ADA, AUDITOR], ids=["developer", "auditor"])
async def test_only_a_lead_or_an_admin_says_whom_a_project_is_open_to(who: Requester) -> None:
    rooms: Any = SimpleNamespace()
    with pytest.raises(NotPermitted, match="a lead or an admin"):
        await administration.change_project(rooms, who, JOB, openness=OpennessChange("members"))


async def test_an_admin_revokes_any_key_and_everybody_else_only_their_own() -> None:
    asked: list[tuple[UUID, UUID | None]] = []

    async def revoke(key_id: UUID, *, developer_id: UUID | None, before: object) -> None:
        assert before is None
        asked.append((key_id, developer_id))

    rooms: Any = SimpleNamespace(accounts=SimpleNamespace(keys=SimpleNamespace(revoke=revoke)))
    owner: Any = SimpleNamespace(id=uuid4(), name="ada")
    await keys.revoke_key(rooms, ADMIN, JOB)
    await keys.revoke_key(rooms, ADMIN, JOB, owner=owner)
    await keys.revoke_key(rooms, ADA, JOB)
    await keys.revoke_key(rooms, ADA, JOB, owner=owner)
    assert asked == [(JOB, None), (JOB, owner.id), (JOB, ADA.developer_id), (JOB, ADA.developer_id)]


@pytest.mark.parametrize(
    ("who", "name", "sought_in"), [(ADA, "ada", TEAM), (LEAD, "ada", TEAM), (AUDITOR, "ada", TEAM), (ADMIN, "ada", None)]
)
async def test_oneself_a_lead_or_auditor_the_team_and_an_admin_everybody_is_shown(who: Requester, name: str, sought_in: object) -> None:
    asked: list[object] = []

    async def find_developer(name: str, *, team_id: UUID | None) -> Any:
        asked.append((name, team_id))

    rooms: Any = SimpleNamespace(accounts=SimpleNamespace(find_developer=find_developer))
    await administration.show_developer(rooms, who, name)
    assert asked == [(name, sought_in)]


async def test_a_developer_is_not_shown_another() -> None:
    with pytest.raises(NotPermitted, match="lead or auditor"):
        await administration.show_developer(SimpleNamespace(), ADA, "somebody else")  # type: ignore[arg-type]


@dataclass
class Counts:
    hits: int = 3


class Similar(list[str]):
    """Prompts that mean the same."""

    size, counts = 90, Counts()


def cache(name: str) -> Any:
    return SimpleNamespace(name=name, saved_nanousd=1, saved_seconds=2.0, figures=lambda: {"memory": {"hits": 5}})


@pytest.mark.parametrize(("similar", "tiers"), [(None, {"memory"}), (Similar(["why?"]), {"memory", "semantic"})])
def test_prompts_that_mean_the_same_are_a_tier_of_completions_where_they_are_kept(similar: Any, tiers: set[str]) -> None:
    engine = SimpleNamespace(by_meaning=similar)
    rooms: Any = SimpleNamespace(
        caches={name: cache(name) for name in ("completions", "queries")}, inference=SimpleNamespace(engine=engine)
    )
    completions, queries = operations.list_caches(rooms, ADMIN)
    assert (set(completions.tiers), set(queries.tiers)) == (tiers, {"memory"})
    if similar is not None:
        assert completions.tiers["semantic"] == {"entries": 1, "bytes": 90, "hits": 3}
