"""Operations on rooms that know no account: who may, for which team, in whose name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.requester import Requester
from app.alerts.watch import Watch
from app.errors import NotFound, NotPermitted
from app.services import administration, operations

TEAM, JOB = uuid4(), uuid4()
ADA = Requester(TEAM, "core", uuid4(), "ada", uuid4())
AUDITOR = Requester(TEAM, "core", uuid4(), "otto", uuid4(), role="auditor")
ADMIN = Requester(TEAM, "core", role="admin")
GROUP = {"group": "g", "consumer": "c", "limit": 1}


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
    "dead letters": lambda rooms, who: operations.dead_letters(rooms, who, "work", limit=1),
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


async def _list(operation: Callable[[Any, Requester], object], rooms: Any, who: Requester) -> object:
    return operation(rooms, who)


def watch() -> Any:
    return Watch(*[SimpleNamespace()] * 6)  # type: ignore[arg-type]


ADMINISTRATION: dict[str, Callable[[Any, Requester], Awaitable[object]]] = {
    "list_caches": lambda rooms, who: _list(operations.list_caches, rooms, who),
    "list_providers": lambda rooms, who: _list(operations.list_providers, rooms, who),
    "rebuild_index": lambda rooms, who: operations.rebuild_index(rooms, who, lambda done, total: None),
    "alerts": lambda rooms, who: watch().report(who),
    "set_role": lambda rooms, who: administration.set_role(rooms, who, "ada", "lead"),
    "create_team": lambda rooms, who: administration.create_team(rooms, who, "core"),
    "list_teams": administration.list_teams,
    "create_developer": lambda rooms, who: administration.create_developer(rooms, who, "ada", team="core", monthly_limit_nanousd=None),
    "list_developers": administration.list_developers,
    "create_key": lambda rooms, who: administration.create_key(rooms, who, "ada"),
    "revoke_key": lambda rooms, who: administration.revoke_key(rooms, who, JOB),
    "rename_project": lambda rooms, who: administration.rename_project(rooms, who, JOB, "shop"),
    "merge_projects": lambda rooms, who: administration.merge_projects(rooms, who, JOB, JOB),
}


@pytest.mark.parametrize("administer", ADMINISTRATION.values(), ids=ADMINISTRATION.keys())
@pytest.mark.parametrize(
    "who", [ADA, AUDITOR, Requester(TEAM, "core", uuid4(), "lin", uuid4(), role="lead")], ids=["developer", "auditor", "lead"]
)
async def test_only_an_admin_administers(administer: Callable[[Any, Requester], Awaitable[object]], who: Requester) -> None:
    with pytest.raises(NotPermitted, match="admin key"):
        await administer(SimpleNamespace(), who)


async def test_a_key_of_somebody_else_is_not_revoked_in_their_name() -> None:
    mine, theirs, revoked = uuid4(), uuid4(), list[Any]()

    async def keys_of(developer_id: object) -> list[Any]:
        return [SimpleNamespace(id=mine)]

    async def revoke_key(key_id: object) -> None:
        revoked.append(key_id)

    rooms: Any = SimpleNamespace(accounts=SimpleNamespace(keys_of=keys_of, revoke_key=revoke_key))
    owner: Any = SimpleNamespace(id=uuid4(), name="ada")
    with pytest.raises(NotFound, match="ada has no key"):
        await administration.revoke_key(rooms, ADMIN, theirs, owner=owner)
    await administration.revoke_key(rooms, ADMIN, mine, owner=owner)
    await administration.revoke_key(rooms, ADMIN, theirs)
    assert revoked == [mine, theirs]
