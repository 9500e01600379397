"""`cairn budget` as a person uses it: real processes against a real server, whose ledger is charged as another server would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.budget.hold_sweeper import HoldSweeper
from app.budget.holds import Attempt, Estimate, Payer, Settlement
from app.budget.prices import TokenBounds, TokenUsage
from app.budget.requests import RequestLog, RequestOutcome, RequestRecord
from app.money import from_usd
from app.storage.database import Database
from tests.integration.budget.conftest import Bank, open_bank
from tests.integration.cli.test_cli import cairn
from tests.running import Running, running
from tests.waiting import patient_database

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "cli-budget") as started:
        yield started


@pytest.fixture
async def bank(server: Running) -> AsyncIterator[Bank]:
    """A ledger of this process over the server's own database, as the worker knows its place."""
    url = next(found for each in server.family() if (found := each.environ().get("CAIRN_DATABASE__URL")))
    database = await Database.open(patient_database(), url, name="test", pool_size=2, max_overflow=0)
    async for made in open_bank(database, url):
        await HoldSweeper(database, made.ledger, process_id=made.ledger._process_id, silent_seconds=30).open()
        yield made
    await database.close()


@pytest.fixture
def ada(server: Running) -> str:
    """A developer with 8.33 dollars a month."""
    name = f"ada-{uuid4().hex[:8]}"
    assert server.post("/v1/developers", {"name": name})["monthly_limit_usd"] == 8.33
    return name


async def payer(bank: Bank, name: str) -> Payer:
    return Payer((await bank.accounts.find_developer(name)).id, bank.team_id)


async def spend(bank: Bank, name: str, usd: float) -> None:
    hold = await bank.ledger.hold(
        await payer(bank, name), Attempt(uuid4().hex, 1, "groq", "llama-3.3"), Estimate(TokenBounds(100, 20), from_usd(usd))
    )
    await bank.ledger.settle(hold, Settlement(TokenUsage(100, 20), from_usd(usd), "usage"))


async def leave_open(bank: Bank, name: str, *usd: float) -> None:
    for each in usd:
        await bank.ledger.mark_unreconciled(await bank.hold(await payer(bank, name), from_usd(each)), "cut")


def budget(server: Running, *words: str, status: int = 0, **env: str) -> CompletedProcess[str]:
    done = cairn(server.folder, "budget", *words, env=env)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def data(server: Running, *words: str, status: int = 0, **env: str) -> Any:
    done = budget(server, *words, "--json", status=status, **env)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_a_limit_and_a_top_up_are_said_shown_and_remembered(server: Running, ada: str) -> None:
    assert budget(server, "set", ada, "20").stdout == f"{ada} may spend $20.00 a month; $20.00 are left this month.\n"
    said = budget(server, "top-up", ada, "5.25", "--note", "the release").stdout
    assert said == f"$5.25 added for this month; {ada} has $25.25 left.\n"
    shown = budget(server, "show", ada).stdout
    assert [each in shown for each in (ada, "default", "$20.00", "$25.25", "Month: ")] == [True] * 5
    told = budget(server, "history", ada).stdout.splitlines()
    assert [each in told[1] for each in ("top-up", "5.250000", "admin", "the release")] == [True] * 4
    assert [each in told[2] for each in ("new limit", "20.000000", "admin")] == [True] * 3


def test_every_command_that_prints_data_prints_it_as_json(server: Running, ada: str) -> None:
    assert data(server, "set", ada, "20")["limit_usd"] == 20
    assert data(server, "top-up", ada, "5", "--note", "why")["remaining_usd"] == 25
    (shown,) = data(server, "show", ada)["budgets"]
    assert (shown["developer"], shown["limit_usd"], shown["added_usd"]) == (ada, 20, 5)
    history = data(server, "history", ada)
    assert [(each["kind"], each["amount"], each["note"]) for each in history["movements"]] == [("top_up", 5, "why"), ("limit", 20, None)]
    page = data(server, "history", ada, "--limit", "1")
    assert (len(page["movements"]), bool(page["next_cursor"])) == (1, True)
    assert data(server, "reconcile", ada) == {"closed": 0}
    assert data(server, "verify") == {"differences": []}


def test_a_developers_key_shows_its_own_budget_the_admins_shows_all(server: Running, ada: str) -> None:
    key = {"CAIRN_KEY": str(server.post(f"/v1/developers/{ada}/keys", {})["key"])}
    own = data(server, "show", **key)["budgets"]
    assert [each["developer"] for each in own] == [ada]
    other = str(server.post("/v1/developers", {"name": f"{ada}-too"})["name"])
    assert {ada, other} <= {each["developer"] for each in data(server, "show")["budgets"]}
    for words in (("show", ada), ("set", ada, "500"), ("top-up", ada, "1"), ("history", ada), ("verify",), ("reconcile", ada)):
        assert "admin key" in budget(server, *words, status=4, **key).stderr
    assert data(server, "show", ada)["budgets"][0]["limit_usd"] == 8.33


def test_without_developers_it_says_how_to_go_on(server: Running, short_folder: Path) -> None:
    folder = short_folder / "nobody"
    folder.mkdir()
    (folder / "models").symlink_to((server.folder / "models").resolve())
    done = cairn(folder, "budget", "show")
    assert (done.returncode, done.stdout, "Create one: cairn developers add NAME" in done.stderr) == (0, "", True)


def test_a_team_has_both_limits_one_or_none(server: Running) -> None:
    team = str(server.post("/v1/teams", {"name": f"team-{uuid4().hex[:8]}"})["name"])
    assert (
        budget(server, "set-team", team, "--usd", "250", "--tokens", "80000000").stdout
        == f"Team {team}: $250.00 and 80,000,000 tokens a month.\n"
    )
    assert "$99.50 and 80,000,000 tokens" in budget(server, "set-team", team, "--usd", "99.5").stdout
    assert "$99.50 and 0 tokens" in budget(server, "set-team", team, "--tokens", "0").stdout
    assert budget(server, "set-team", team, "--no-limit").stdout.count("no limit") == 2
    made = data(server, "set-team", team, "--no-limit", "--usd", "7")
    assert (made["limit_usd"], made["limit_tokens"]) == (7, None)


async def test_spending_is_broken_down_in_a_table_json_and_csv(server: Running, ada: str, bank: Bank) -> None:
    nothing = budget(server, "spend", "--developer", ada)
    assert (nothing.stdout, "Nothing was spent" in nothing.stderr) == ("", True)
    await spend(bank, ada, 1.25)
    await spend(bank, ada, 0.0025)
    head, part, total, *_ = budget(server, "spend", "--developer", ada, "--by", "provider").stdout.splitlines()
    assert head.split("\t") == ["Part", "Provider", "Spent", "Before", "Calls charged", "Input tokens", "Output tokens"]
    assert part.split("\t")[:5] == ["groq", "", "$1.25", "$0.00", "2"]
    assert total.split("\t")[:3] == ["all", "", "$1.25"]
    found = data(server, "spend", "--developer", ada, "--by", "model")
    assert [(each["key"], each["spent_usd"]) for each in found["parts"]] == [("llama-3.3", 1.2525)]
    head, part, *_ = budget(server, "spend", "--developer", ada, "--by", "model", "--csv").stdout.splitlines()
    assert (head.startswith("model,"), "llama-3.3" in part, "1.2525" in part) == (True, True, True)


def test_calls_that_nobody_made_are_an_empty_list_with_a_hint(server: Running, ada: str) -> None:
    none = budget(server, "calls", "--developer", ada)
    assert (none.stdout, "There are no such calls" in none.stderr) == ("", True)
    assert data(server, "calls", "--developer", ada)["calls"] == []
    assert len(budget(server, "calls", "--developer", ada, "--csv").stdout.splitlines()) == 1  # the head


async def test_what_was_spent_is_shown_and_its_history_told(server: Running, ada: str, bank: Bank) -> None:
    assert f"{ada} has no charges and no changes of the limit yet." in budget(server, "history", ada).stderr
    await spend(bank, ada, 1.25)
    await spend(bank, ada, 0.0025)
    row = budget(server, "show", ada).stdout.splitlines()[1]
    assert row.split()[:6] == [ada, "default", "$8.33", "$1.25", "$0.00", "$7.08"]
    told = budget(server, "history", ada, "--limit", "1").stdout.splitlines()
    assert len(told) == 2
    assert [each in told[1] for each in ("charge", "as the provider reported", "0.002500", "llama-3.3", "120")] == [True] * 5


async def test_what_is_unreconciled_is_closed_once_at_nothing_or_at_what_it_cost(server: Running, ada: str, bank: Bank) -> None:
    await leave_open(bank, ada, 1, 2)
    assert data(server, "show", ada)["budgets"][0]["unreconciled_usd"] == 3
    assert budget(server, "reconcile", ada, "--usd", "0.5", "--note", "as billed").stdout == f"2 unconfirmed charges of {ada} settled.\n"
    assert budget(server, "reconcile", ada).stdout == f"0 unconfirmed charges of {ada} settled.\n"
    await leave_open(bank, ada, 1)
    assert budget(server, "reconcile", ada).stdout == f"1 unconfirmed charge of {ada} settled.\n"
    assert data(server, "show", ada)["budgets"][0]["spent_usd"] == 1
    assert [each["note"] for each in data(server, "history", ada)["movements"] if each["kind"] == "reconcile"] == [
        None,
        "as billed",
        "as billed",
    ]


async def test_verifying_fails_on_a_difference_and_tells_both_figures(server: Running, ada: str, bank: Bank) -> None:
    await spend(bank, ada, 1.25)
    assert budget(server, "verify").stdout == "Every balance equals the sum of its charges and reservations for running calls.\n"
    who = {"id": (await payer(bank, ada)).developer_id}
    change = text("update budget_balances set spent_nanousd = spent_nanousd + :by where subject_id = :id")
    async with bank.database.begin() as connection:
        await connection.execute(change, {**who, "by": -(10**9)})
    try:
        told = budget(server, "verify", status=1).stdout
        assert f"DIFFERENT developer {who['id']}, month of " in told
        assert "spent $0.250000000 stored, $1.250000000 counted; reserved $0.000000000 stored, $0.000000000 counted" in told
        assert "spent 120 tokens stored, 120 counted" in told
        (different,) = data(server, "verify", status=1)["differences"]
        assert different["spent_usd"] == [0.25, 1.25]
    finally:
        async with bank.database.begin() as connection:
            await connection.execute(change, {**who, "by": 10**9})
    budget(server, "verify")


def test_a_note_does_not_steer_the_terminal(server: Running, ada: str) -> None:
    budget(server, "top-up", ada, "1", "--note", "[bold]ten[/]\x1b[2J")
    told = budget(server, "history", ada).stdout
    assert "[bold]ten[/][2J" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["show", "nobody"], 1, "cairn developers list"),
        (["set", "nobody", "5"], 1, "cairn developers list"),
        (["top-up", "nobody", "5"], 1, "cairn developers list"),
        (["history", "nobody"], 1, "cairn developers list"),
        (["reconcile", "nobody"], 1, "cairn developers list"),
        (["set-team", "nobody", "--usd", "5"], 1, "cairn teams list"),
        (["show", "a\x01b"], 1, "DEVELOPER"),
        (["set", "ada"], 2, "USD"),
        (["set", "ada", "eight"], 2, "USD"),
        (["set", "ada", "-5"], 2, "-5"),
        (["set", "--", "ada", "-5"], 2, "must be at least 0"),
        (["set", "ada", "nan"], 2, "USD"),
        (["set", "ada", "inf"], 1, "USD"),
        (["set", "ada", "1000001"], 1, "USD"),
        (["top-up", "ada", "0"], 1, "USD"),
        (["top-up", "--", "ada", "-1"], 2, "USD"),
        (["top-up", "ada", "1", "--note", "x" * 501], 1, "note"),
        (["set-team", "default"], 2, "--no-limit"),
        (["set-team", "default", "--usd", "-1"], 2, "--usd"),
        (["set-team", "default", "--usd", "nan"], 2, "--usd"),
        (["set-team", "default", "--tokens", "1.5"], 2, "--tokens"),
        (["set-team", "default", "--tokens", str(2**53 + 1)], 1, "--tokens"),
        (["history", "ada", "--limit", "0"], 2, "--limit"),
        (["reconcile", "ada", "--usd", "-1"], 2, "--usd"),
        (["reconcile", "ada", "--usd", "inf"], 1, "--usd"),
        (["spent"], 2, "spent"),
    ],
    ids=lambda each: " ".join(each)[:40] if isinstance(each, list) else None,
)
def test_each_error_names_its_cause(server: Running, words: list[str], status: int, says: str) -> None:
    done = budget(server, *words, status=status)
    assert (says in done.stderr, done.stdout) == (True, ""), done.stderr


async def log(bank: Bank, name: str, session: str, usd: float, *, agent: str | None = None) -> None:
    """One call of a session, as the engine logs it."""
    who, requests = await payer(bank, name), RequestLog(bank.database)
    requests.add(
        RequestRecord(
            request_id=uuid4().hex, developer_id=who.developer_id, team_id=who.team_id, purpose="chat", model_asked="auto", attempts=1,
            cache="miss", nanousd=from_usd(usd), saved_nanousd=0, milliseconds=5, status=RequestOutcome.ANSWERED, provider="groq",
            model_answered="llama-3.3", session=session, agent=agent, input_tokens=12_000, output_tokens=300, cached_input_tokens=9000,
        )
    )  # fmt: skip
    await requests.close()


async def test_sessions_are_listed_with_what_they_cost_and_one_is_split_by_agent(server: Running, bank: Bank, ada: str) -> None:
    empty = budget(server, "sessions", "--developer", ada)
    assert (empty.stdout, "x-cairn-session" in empty.stderr) == ("", True)
    small, large = f"s-{uuid4()}", f"s-{uuid4()}"
    await log(bank, ada, large, 1.25)
    await log(bank, ada, large, 0.25, agent="tests")
    await log(bank, ada, small, 0.5)
    listed = data(server, "sessions", "--developer", ada)["sessions"]
    assert [(each["session"], each["cost_usd"]) for each in listed] == [(small, 0.5), (large, 1.5)]
    dearest = data(server, "sessions", "--developer", ada, "--order", "cost", "--limit", "1")["sessions"]
    assert [(each["session"], each["agents"], each["input_tokens"]) for each in dearest] == [(large, 1, 24_000)]
    shown = budget(server, "sessions", large, COLUMNS="200").stdout
    assert all(part in shown for part in ("main agent", "tests", "llama-3.3", "$1.50", "$1.25", "12,000 (9,000 cached)", ada))
    assert "has no calls of this session" in budget(server, "sessions", "never", status=1).stderr
