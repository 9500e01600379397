"""What messages promise, on a real Redis and on a real PostgreSQL: one suite for both buses."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import text

from app import supervision
from app.errors import InvalidInput, NotFound, TooLarge, Unavailable
from app.queue.messages.exchange import MessageExchange
from app.queue.messages.message import DeadLetter, Message
from app.queue.messages.postgres_bus import CHANNEL, PostgresBus
from app.queue.messages.redis_bus import RedisBus
from app.settings import MessagesSettings as Options
from app.settings import RedisSettings as RedisOptions
from app.storage.database import Database
from app.storage.notify_listener import NotifyListener
from app.storage.pages import ListOrder, PageWanted
from app.storage.redis import open_redis
from tests.fakes.redis_server import RedisServer
from tests.waiting import patience, patient_database

pytestmark = pytest.mark.long

TEAM, OTHER_TEAM = uuid4(), uuid4()
LETTERS = PageWanted(100)
SHORT = 0.3
"""Seconds until a silent consumer's message is visible again, where a test waits for it."""
AGENTS = 1000
TOKEN = "ghp_" + "aZ3kQ9xW1mR7tY5uB2nC8vL4pS6dF0gHjKqE"[:36]

Make = Callable[..., MessageExchange]


@pytest.fixture(params=["redis", "postgres"])
def bus(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    options = RedisOptions(url=SecretStr(redis_server.url), timeout_seconds=30)  # a busy machine is not an absent Redis
    async with open_redis(options) as made:
        assert made is not None
        await made.flushall()
        yield made


@pytest.fixture
async def make(bus: str, client: Redis, database: Database, database_url: str) -> AsyncIterator[Make]:
    """An exchange as a process has one, running; called twice, two processes."""
    running: list[asyncio.Task[None]] = []

    def made(**options: object) -> MessageExchange:
        chosen = Options.model_validate({"poll_seconds": 0.2, **options})
        notices = NotifyListener(patient_database(), database_url, name="test", channel=CHANNEL)
        kept = RedisBus(client, chosen, answer_seconds=60) if bus == "redis" else PostgresBus(database, notices, chosen)
        exchange = MessageExchange(kept, chosen)
        running.append(asyncio.create_task(supervision.run(*exchange.loops())))
        return exchange

    yield made
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def exchange(make: Make) -> MessageExchange:
    return make()


async def put(exchange: MessageExchange, *payloads: object, team: UUID = TEAM, channel: str = "work", to: str | None = None) -> list[str]:
    return [(await exchange.publish(team, channel, sender="ada", kind="task", payload=each, to=to)).id for each in payloads]


async def take(
    exchange: MessageExchange,
    consumer: str = "a",
    *,
    group: str = "g",
    limit: int = 100,
    wait: float = 0,
    team: UUID = TEAM,
    channel: str = "work",
) -> list[Message]:
    return await exchange.receive(team, channel, group=group, consumer=consumer, limit=limit, wait_seconds=wait)


async def confirm(exchange: MessageExchange, *messages: Message, group: str = "g") -> int:
    return await exchange.acknowledge(TEAM, "work", group=group, ids=[each.id for each in messages])


def said(messages: list[Message]) -> list[object]:
    return [json.loads(each.payload) for each in messages]


async def test_messages_come_in_order_and_whole(exchange: MessageExchange) -> None:
    ids = await put(exchange, {"n": 0, "deep": [1, None, {"x": "ä\u0000"}]}, "text", 3, None, [True])
    found = await take(exchange)
    assert said(found) == [{"n": 0, "deep": [1, None, {"x": "ä"}]}, "text", 3, None, [True]]
    assert [each.id for each in found] == ids
    first = found[0]
    assert (first.channel, first.sender, first.type, first.to, first.deliveries) == ("work", "ada", "task", None, 1)
    assert first.at.tzinfo is not None


async def test_each_group_gets_all_and_its_members_share(exchange: MessageExchange) -> None:
    await put(exchange, *range(10))
    assert said(await take(exchange, group="late")) == list(range(10))
    mine, yours = await take(exchange, "a", limit=4), await take(exchange, "b")
    assert (said(mine), said(yours)) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])
    assert await take(exchange, "a") == []
    await put(exchange, "more")
    assert [said(await take(exchange, group=group)) for group in ("g", "late")] == [["more"], ["more"]]


async def test_members_that_take_at_once_get_each_message_once(exchange: MessageExchange) -> None:
    await put(exchange, *range(200))
    found = await asyncio.gather(*(take(exchange, f"c{number}", limit=5) for number in range(40)))
    assert Counter(each for part in found for each in said(part)) == Counter(range(200))


async def test_what_is_put_at_once_from_many_sides_reaches_old_and_new_groups(exchange: MessageExchange) -> None:
    async def late(number: int) -> list[object]:
        """A group that is made while others publish: nothing falls between what it began with and what came after."""
        await asyncio.sleep(number * 0.01)
        got: list[object] = []
        while len(got) < 100:
            got += said(await take(exchange, group=f"late{number}", wait=5))
        return got

    groups = [asyncio.create_task(late(number)) for number in range(8)]
    await asyncio.gather(*(put(exchange, *range(start, start + 10)) for start in range(0, 100, 10)))
    for found in await asyncio.gather(*groups):
        assert Counter(found) == Counter(range(100))


async def test_a_message_for_one_group_reaches_it_alone_whenever_it_comes(exchange: MessageExchange) -> None:
    await put(exchange, "to all")
    assert said(await take(exchange, group="bob")) == ["to all"]
    await put(exchange, "to ada", to="ada")
    await put(exchange, "to bob", to="bob")
    assert said(await take(exchange, group="bob")) == ["to bob"]
    assert said(await take(exchange, group="ada")) == ["to all", "to ada"]
    assert said(await take(exchange, group="eve")) == ["to all"]


async def test_acknowledged_messages_never_come_again(make: Make) -> None:
    exchange = make(visibility_seconds=SHORT)
    await put(exchange, "one", "two")
    one, two = await take(exchange)
    assert await confirm(exchange, one) == 1
    assert await confirm(exchange, one) == 0
    await asyncio.sleep(SHORT * 2)
    again = await take(exchange, "b")
    assert said(again) == ["two"]
    assert await confirm(exchange, two) == 1
    await asyncio.sleep(SHORT * 2)
    assert await take(exchange) == []


async def test_an_unknown_group_is_said_and_unknown_ids_are_not_counted(exchange: MessageExchange) -> None:
    with pytest.raises(NotFound):
        await exchange.acknowledge(TEAM, "work", group="nobody", ids=["1"])
    await put(exchange, "one", "two")
    with pytest.raises(NotFound):
        await exchange.acknowledge(TEAM, "work", group="nobody", ids=["1"])
    taken = await take(exchange, limit=1)
    assert await exchange.acknowledge(TEAM, "work", group="g", ids=["0-1", "1", "x", "-", "9" * 30, "²", str(2**63), f"{2**64}-0"]) in {
        0,
        1,
    }
    ids = ["x", "9" * 30, *(each.id for each in taken)]
    assert await exchange.acknowledge(TEAM, "work", group="g", ids=ids) <= 1
    assert said(await take(exchange)) == ["two"]


async def test_a_silent_consumers_message_is_taken_over_by_one_who_waits(make: Make) -> None:
    exchange = make(visibility_seconds=2)
    await put(exchange, "work")
    (dead,) = await take(exchange, "dead")
    assert await take(exchange, "alive") == []
    (alive,) = await take(exchange, "alive", wait=60)
    assert (alive.id, alive.deliveries, said([alive])) == (dead.id, 2, ["work"])
    assert await confirm(exchange, alive) == 1


async def test_a_message_that_nobody_ever_acknowledges_becomes_a_dead_letter(make: Make) -> None:
    exchange = make(visibility_seconds=SHORT, max_deliveries=2)
    await put(exchange, "bad", "good")
    bad, good = await take(exchange, "a")
    await confirm(exchange, good)
    (again,) = await take(exchange, "b", wait=60)
    assert again.deliveries == 2
    assert await take(exchange, "c", wait=SHORT * 3) == []
    (letter,) = (await exchange.dead_letters(TEAM, "work", LETTERS)).entries
    assert (letter.message.id, letter.group, letter.consumer, letter.message.deliveries) == (bad.id, "g", "b", 2)
    assert (said([letter.message]), letter.message.at, letter.message.sender) == (["bad"], bad.at, "ada")
    assert letter.died_at > bad.at
    assert said(await take(exchange, group="another")) == ["bad", "good"]
    assert (await exchange.dead_letters(OTHER_TEAM, "work", LETTERS)).entries == []
    await put(exchange, "next")
    assert said(await take(exchange, "c")) == ["next"]


async def test_dead_letters_tell_the_latest_first_and_are_bounded(make: Make) -> None:
    exchange = make(visibility_seconds=SHORT, max_deliveries=1, max_messages=3)
    for number in range(5):
        await put(exchange, number)
        await take(exchange)
        await asyncio.sleep(SHORT * 1.5)
        assert await take(exchange) == []
    await exchange.sweep()
    assert said([each.message for each in (await exchange.dead_letters(TEAM, "work", LETTERS)).entries]) == [4, 3, 2]


@pytest.mark.parametrize(("order", "expected"), [("newest", [2, 1, 0]), ("oldest", [0, 1, 2])])
async def test_dead_letters_are_read_page_by_page_in_either_order(make: Make, order: ListOrder, expected: list[int]) -> None:
    exchange = make(visibility_seconds=SHORT, max_deliveries=1)
    for number in range(3):
        await put(exchange, number)
        await take(exchange)
        await asyncio.sleep(SHORT * 1.5)
        assert await take(exchange) == []
    letters: list[DeadLetter] = []
    after = None
    for _ in range(3):
        page = await exchange.dead_letters(TEAM, "work", PageWanted(1, order, after))
        letters, after = [*letters, *page.entries], page.next
    assert (said([each.message for each in letters]), after) == (expected, None)
    middle = letters[1].died_at
    later = await exchange.dead_letters(TEAM, "work", PageWanted(9, order, since=middle))
    earlier = await exchange.dead_letters(TEAM, "work", PageWanted(9, order, until=middle))
    assert sorted(said([each.message for each in later.entries])) == [1, 2]
    assert said([each.message for each in earlier.entries]) == [0]


async def test_a_place_in_the_dead_letters_of_another_store_is_refused(make: Make) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        await make().dead_letters(TEAM, "work", PageWanted(1, after="17:x"))


async def test_a_channel_keeps_so_many_messages(make: Make) -> None:
    exchange = make(max_messages=5)
    await put(exchange, *range(12))
    assert said(await take(exchange)) == [7, 8, 9, 10, 11]
    await put(exchange, 12)
    assert said(await take(exchange, group="late")) == [8, 9, 10, 11, 12]


async def test_a_message_that_was_trimmed_while_its_consumer_was_silent_is_gone(make: Make) -> None:
    exchange = make(max_messages=2, visibility_seconds=SHORT)
    await put(exchange, "old")
    (old,) = await take(exchange)
    await put(exchange, "new", "newer")
    await asyncio.sleep(SHORT * 2)
    assert said(await take(exchange, "b")) == ["new", "newer"]
    assert await confirm(exchange, old) in {0, 1}
    assert (await exchange.dead_letters(TEAM, "work", LETTERS)).entries == []


async def test_a_channel_keeps_messages_so_long_and_readers_long_gone_are_forgotten(make: Make, bus: str, client: Redis) -> None:
    exchange = make(max_age_hours=3 / 3600)
    await put(exchange, "old")
    await take(exchange)
    await asyncio.sleep(3.1)
    if bus == "redis":  # Redis has forgotten the stream of itself
        assert await client.keys("cairn:messages:*") == []
    await exchange.sweep()
    assert await take(exchange, group="late") == []
    with pytest.raises(NotFound):
        await exchange.acknowledge(TEAM, "work", group="g", ids=[])
    await put(exchange, "new")
    assert said(await take(exchange)) == ["new"]


async def test_a_group_that_still_reads_is_kept_by_the_sweep_with_what_it_has_read(make: Make) -> None:
    exchange = make()
    await put(exchange, "one")
    (one,) = await take(exchange)
    await exchange.sweep()
    assert await confirm(exchange, one) == 1
    assert await take(exchange) == []


async def test_nothing_crosses_teams_or_channels(exchange: MessageExchange) -> None:
    await put(exchange, "ours")
    await put(exchange, "theirs", team=OTHER_TEAM)
    await put(exchange, "elsewhere", channel="work.2")
    waiting = asyncio.create_task(take(exchange, team=uuid4(), wait=0.3))
    assert said(await take(exchange, team=OTHER_TEAM)) == ["theirs"]
    (ours,) = await take(exchange)
    assert said([ours]) == ["ours"]
    await exchange.acknowledge(OTHER_TEAM, "work", group="g", ids=[ours.id])
    assert await confirm(exchange, ours) == 1
    assert said(await take(exchange, channel="work.2")) == ["elsewhere"]
    assert await waiting == []


async def test_no_secret_is_stored(exchange: MessageExchange, bus: str, client: Redis, database: Database) -> None:
    token, password = TOKEN, "correcthorsebattery9"
    payload = {
        "text": f"use {token} to push",
        "password": password,
        "nested": [{"headers": {"Authorization": f"Bearer {token}"}}, {"api_keys": [token]}],
        token: "as a name",
        "split": f"{token[:20]}\u0000{token[20:]}",
        "harmless": "the password is stored in the vault",
        "count": 12,
    }
    done = await exchange.publish(TEAM, "work", sender="ada", kind="task", payload=payload)
    assert done.redactions.total() >= 5
    (found,) = await take(exchange)
    assert json.loads(found.payload)["harmless"] == payload["harmless"]
    assert json.loads(found.payload)["count"] == 12
    if bus == "redis":
        kept = str([await client.xrange(key) for key in await client.keys("cairn:messages:*") if b"looked" not in key])
    else:
        async with database.begin() as connection:
            kept = str((await connection.execute(text("select * from messages"))).all())
    assert "[REDACTED:" in kept
    for secret in (token, token[4:], password):
        assert secret not in kept
        assert secret not in found.payload


async def test_a_large_payload_with_a_secret_at_its_end_is_redacted_too(exchange: MessageExchange) -> None:
    await put(exchange, {"log": "word " * 8000 + TOKEN})
    (found,) = await take(exchange)
    assert found.payload.endswith('[REDACTED:github-pat]"}')


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"channel": "Work"}, "channel"),
        ({"channel": ""}, "channel"),
        ({"channel": "a" * 101}, "channel"),
        ({"channel": "a:b"}, "channel"),
        ({"kind": "with space"}, "type"),
        ({"kind": TOKEN}, "type"),
        ({"to": ""}, "to"),
        ({"payload": float("nan")}, "payload"),
        ({"payload": {"at": object()}}, "payload"),
    ],
)
async def test_what_can_not_be_put_is_refused_by_name(exchange: MessageExchange, change: dict[str, object], param: str) -> None:
    given: dict[str, object] = {"channel": "work", "kind": "task", "payload": {}, "to": None, **change}
    with pytest.raises(InvalidInput) as refused:
        await exchange.publish(TEAM, str(given.pop("channel")), sender="ada", **given)  # type: ignore[arg-type]
    assert refused.value.param == param


async def test_a_payload_too_deep_or_too_large_is_refused(make: Make) -> None:
    exchange = make(max_payload_bytes=1000)
    deep: object = 1
    for _ in range(150):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested"):
        await put(exchange, deep)
    await put(exchange, "x" * 998)
    for large in ("x" * 999, "ä" * 500):
        with pytest.raises(TooLarge, match="1,000 bytes"):
            await put(exchange, large)


async def test_a_group_too_many_is_refused(make: Make) -> None:
    exchange = make(max_groups=2)
    await put(exchange, "x")
    for name in ("one", "two", "one"):
        await take(exchange, group=name)
    with pytest.raises(InvalidInput) as refused:
        await take(exchange, group="three")
    assert refused.value.param == "group"


async def test_one_who_waits_is_woken_also_from_another_process(make: Make) -> None:
    here, there = make(poll_seconds=60), make(poll_seconds=60)
    waiting = asyncio.create_task(take(here, wait=30))
    await asyncio.sleep(0.3)
    await put(there, "hello")
    async with asyncio.timeout(60):
        assert said(await waiting) == ["hello"]
    assert await take(here, wait=0.05) == []


async def test_one_who_stops_waiting_takes_nothing_with_him(make: Make) -> None:
    exchange = make(poll_seconds=60)
    leaving = asyncio.create_task(take(exchange, "leaving", wait=30))
    staying = asyncio.create_task(take(exchange, "staying", wait=30))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await put(exchange, "for who stays")
    async with asyncio.timeout(60):
        assert said(await staying) == ["for who stays"]


async def test_a_stop_ends_all_waiting(make: Make) -> None:
    exchange = make()
    waiting = [asyncio.create_task(take(exchange, f"c{number}", wait=30)) for number in range(10)]
    await asyncio.sleep(0.1)
    exchange.stop()
    async with asyncio.timeout(60):
        assert await asyncio.gather(*waiting) == [[]] * 10


async def test_a_thousand_agents_of_their_own_groups_wait_at_once_and_each_is_woken(make: Make) -> None:
    exchange = make(poll_seconds=60)
    await put(exchange, "first")
    waiting = [asyncio.create_task(take(exchange, group=f"agent-{number}", wait=60)) for number in range(AGENTS)]
    assert [said(found) for found in await asyncio.gather(*waiting)] == [["first"]] * AGENTS
    waiting = [asyncio.create_task(take(exchange, group=f"agent-{number}", wait=60)) for number in range(AGENTS)]
    await asyncio.sleep(1)
    assert not any(each.done() for each in waiting)
    await put(exchange, "go")
    assert [said(found) for found in await asyncio.gather(*waiting)] == [["go"]] * AGENTS


async def test_a_thousand_members_of_one_group_wait_at_once_and_share(make: Make) -> None:
    exchange = make(poll_seconds=60)
    waiting = [asyncio.create_task(take(exchange, f"c{number}", limit=1, wait=60)) for number in range(AGENTS)]
    await asyncio.sleep(1)
    await asyncio.gather(*(put(exchange, *range(start, start + 50)) for start in range(0, AGENTS, 50)))
    found = await asyncio.gather(*waiting)
    assert Counter(each for part in found for each in said(part)) == Counter(range(AGENTS))


async def test_redis_away_is_said_and_over_when_it_is_back(redis_server: RedisServer, client: Redis) -> None:
    options = Options(poll_seconds=0.2)
    exchange = MessageExchange(RedisBus(client, options), options)
    running = asyncio.create_task(supervision.run(*exchange.loops()))
    waiting = asyncio.create_task(take(exchange, wait=60))
    await asyncio.sleep(0.3)
    redis_server.stop()
    try:
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable, match="CAIRN_REDIS__URL"):
                await waiting
            for asked in (
                put(exchange, "x"),
                take(exchange),
                confirm(exchange),
                exchange.dead_letters(TEAM, "work", LETTERS),
                exchange.sweep(),
            ):
                with pytest.raises(Unavailable) as away:
                    await asked
                assert away.value.code == "messages_unavailable"
    finally:
        redis_server.start()
    async with asyncio.timeout(60):
        waiting = asyncio.create_task(take(exchange, wait=60))
        await put(exchange, "back")
        assert said(await waiting) == ["back"]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def redis_exchange(client: Redis) -> AsyncIterator[MessageExchange]:
    options = Options(poll_seconds=0.2, visibility_seconds=SHORT, max_deliveries=1)
    exchange = MessageExchange(RedisBus(client, options), options)
    running = asyncio.create_task(supervision.run(*exchange.loops()))
    yield exchange
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


FOREIGN: list[dict[str, bytes]] = [
    {"other": b"fields"},
    {"sender": b"\xff\xfe", "type": b"task", "payload": b"{}"},
    {"sender": b"ada", "type": b"task"},
]


@pytest.mark.parametrize("fields", FOREIGN)
async def test_an_entry_that_is_no_message_of_ours_holds_up_nobody(
    redis_exchange: MessageExchange, client: Redis, fields: dict[str, bytes]
) -> None:
    await put(redis_exchange, "before")
    await client.xadd(f"cairn:messages:{{{TEAM}:work}}", fields)  # type: ignore[arg-type]
    await put(redis_exchange, "after")
    taken = await take(redis_exchange)
    assert said(taken) == ["before", "after"]
    await confirm(redis_exchange, *taken)
    async with patience():
        while not await client.exists(f"cairn:messages:{{{TEAM}:work}}:dead"):
            assert await take(redis_exchange, wait=SHORT) == []
    assert (await redis_exchange.dead_letters(TEAM, "work", LETTERS)).entries == []


@pytest.mark.parametrize("word", [b"one", b"a b c", b"\xff\xfe", b"", b"a 1234 work"])
async def test_a_word_that_cannot_be_read_wakes_whoever_waits_and_ends_nothing(
    redis_exchange: MessageExchange, client: Redis, word: bytes
) -> None:
    async with patience():
        while not await client.publish("cairn:messages-bell", word):
            await asyncio.sleep(0.01)  # until it listens
        other = MessageExchange(RedisBus(client, Options()), Options())
        waiting = asyncio.create_task(take(redis_exchange, wait=20))
        await put(other, "heard all the same")
        assert said(await waiting) == ["heard all the same"]


async def test_something_else_in_the_place_of_a_channel_is_said(redis_exchange: MessageExchange, client: Redis) -> None:
    await client.set(f"cairn:messages:{{{TEAM}:work}}", "no stream")
    for asking in (put(redis_exchange, 1), take(redis_exchange), redis_exchange.acknowledge(TEAM, "work", group="g", ids=["1-1"])):
        with pytest.raises(Unavailable, match="Remove that key"):
            await asking
    await client.delete(f"cairn:messages:{{{TEAM}:work}}")
    await put(redis_exchange, 1)


async def test_postgres_cut_off_is_waited_out(database: Database, database_url: str) -> None:
    """Who waits goes on waiting, and hears again of other processes."""
    options = Options(poll_seconds=60)
    exchanges = [
        MessageExchange(
            PostgresBus(database, NotifyListener(patient_database(), database_url, name="bell", channel=CHANNEL), options), options
        )
        for _ in range(2)
    ]
    running = [asyncio.create_task(supervision.run(*each.loops())) for each in exchanges]
    waiting = asyncio.create_task(take(exchanges[0], wait=300))
    first = await _connected(database, other_than=set())
    async with database.begin() as connection:
        await connection.execute(text("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bell'"))
    await _connected(database, other_than=first)
    await put(exchanges[1], "heard")
    async with asyncio.timeout(60):
        assert said(await waiting) == ["heard"]
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _connected(database: Database, *, other_than: set[int]) -> set[int]:
    """The two processes' connections that listen, once both are there."""
    query = text("select pid from pg_stat_activity where application_name = 'bell'")
    async with patience():
        while True:
            async with database.begin() as connection:
                found = set((await connection.execute(query)).scalars())
            if len(found - other_than) == 2:
                return found
            await asyncio.sleep(0.05)
