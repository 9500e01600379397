"""The shape of a session: steps as phases, equal neighbours as one, bounded state, the same whether built at once or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.event import Event, Outcome, ToolUse
from app.trajectory.events.steps import SessionStep, step_of, steps_of
from app.trajectory.shapes.builder import MAX_KNOWN, MAX_PHASES, SessionShape, packed, shape_of, unpacked
from app.trajectory.shapes.course import CHANNELS, MAX_POINTS
from app.trajectory.shapes.phases import every_symbol, symbol_of

AT = datetime(2026, 11, 3, 9, tzinfo=UTC)


def prompt(text: str) -> Event:
    return Event("p", "user", "prompt", text, "L1")


def call(tool: str, given_: str, output: str = "", *, outcome: Outcome | None = "ok", sidechain: bool = False) -> Event:
    return Event("t", "tool", "tool", "", "L1", tool=ToolUse(tool, given_, output), outcome=outcome, sidechain=sidechain)


def reply(text: str) -> Event:
    return Event("r", "assistant", "reply", text, "L1")


def words(events: Sequence[Event]) -> list[str]:
    return [symbol_of(char).words for char in shape_of(steps_of(enumerate(events, 1))).symbols]


def test_a_session_reads_as_its_phases_with_their_ends() -> None:
    events = [
        prompt("Move the orders to the new table."),
        reply("I look first."),
        call("Read", "orders.py", "class Orders"),
        call("Grep", "orders", "orders.py:1"),
        call("Edit", "orders.py", "done"),
        call("Bash", "alembic upgrade head", "Error: relation exists", outcome="failed"),
        call("Bash", "alembic downgrade -1", "ok"),
        call("Bash", "alembic upgrade head", "Error: relation exists", outcome="failed"),
        call("Bash", "pytest -q", "3 passed"),
        call("Bash", "git commit -m orders", "1 file changed"),
        prompt("No, that is wrong."),
    ]
    assert words(events) == [
        "a prompt",
        "exploring",
        "editing",
        "a migration fails",
        "a rollback",
        "a migration fails again",
        "testing",
        "committing",
        "a correction",
    ]


@pytest.mark.parametrize(
    ("command", "deed"),
    [
        ("bin/rails db:migrate", "migrate"),
        ("cd api && poetry run alembic upgrade head", "migrate"),
        ("npx prisma migrate dev", "migrate"),
        ("python manage.py migrate shop", "migrate"),
        ("bin/rails db:rollback", "roll back"),
        ("git reset --hard HEAD~1", "roll back"),
        ("git stash", "roll back"),
        ("pip install -r requirements.txt", "install"),
        ("npm ci", "install"),
        ("go mod tidy", "install"),
        ("docker compose up -d", "deploy"),
        ("kubectl apply -f web.yaml", "deploy"),
        ("npm run build", "build"),
        ("cargo build --release", "build"),
        ("npm run dev", "start"),
        ("uvicorn app.main:app", "start"),
        ("./tools/refresh.sh", "run"),
        ("git rebase main", "commit"),
    ],
)
def test_a_command_is_told_by_its_program(command: str, deed: str) -> None:
    (symbol,) = shape_of(steps_of([(1, call("Bash", command))])).symbols
    assert symbol_of(symbol).deed == deed


def test_repeating_what_ends_well_is_no_phase_of_its_own() -> None:
    assert words([call("Read", "a.py", "x = 1")] * 3) == ["exploring"]
    assert words([call("Bash", "pytest", "1 failed", outcome="failed")] * 3) == ["a test run fails", "a test run fails again"]


def test_other_agents_words_and_thoughts_are_no_phases() -> None:
    thought = Event("t", "assistant", "thinking", "Hm.", "L1")
    assert words([reply("Well."), thought, call("Bash", "pytest", "ok", sidechain=True)]) == []


def test_each_symbol_has_a_character_and_words_of_its_own() -> None:
    symbols = list(every_symbol())
    assert [symbol_of(each.char) for each in symbols] == symbols
    assert len({each.char for each in symbols}) == len(symbols)
    assert all(each.words for each in symbols)


OUTCOMES = st.sampled_from([None, "ok", "failed", "rejected"])
EVENTS = st.one_of(
    st.builds(prompt, st.text(max_size=20)),
    st.builds(reply, st.text(max_size=20)),
    st.builds(
        call,
        st.sampled_from(["Bash", "Read", "Edit", "TodoWrite", "Task"]),
        st.sampled_from(["pytest", "alembic upgrade head", "a.py", "git push", ""]),
        st.text(max_size=30),
        outcome=OUTCOMES,
        sidechain=st.booleans(),
    ),
)


@given(st.lists(EVENTS, max_size=40), st.integers(0, 40))
def test_a_shape_read_on_from_its_stored_state_is_the_shape_of_the_whole(events: list[Event], cut: int) -> None:
    steps = list(steps_of(enumerate(events, 1)))
    shape = unpacked(packed(shape_of(steps[:cut])))
    for step in steps[cut:]:
        shape.add(step)
    assert shape == shape_of(steps)
    assert list(shape.known) == list(shape_of(steps).known)


@given(st.lists(EVENTS, max_size=40))
def test_phases_begin_in_order_and_differ_from_their_neighbours(events: list[Event]) -> None:
    shape = shape_of(steps_of(enumerate(events, 1)))
    assert len(shape.symbols) == len(shape.firsts)
    assert shape.firsts == sorted(set(shape.firsts))
    assert all(one != other for one, other in zip(shape.symbols, shape.symbols[1:], strict=False))
    course = shape.course.series()
    assert course.shape[0] == len(CHANNELS)
    assert ((course >= 0) & (course <= 1)).all()


def long_session(steps: int) -> SessionShape:
    shape = SessionShape()
    kinds = [step_of(1, call("Read", "a.py", "x")), step_of(1, call("Edit", "b.py", "y"))]
    for seq in range(1, steps + 1):
        one = kinds[seq % 2]
        at = AT + timedelta(seconds=seq * (-1) ** seq)  # the clock jumps back every second time
        shape.add(SessionStep(seq, one.kind, one.phase, tool=one.tool, call=seq, output=-seq, output_chars=10**9, at=at))
    return shape


def test_a_session_of_any_length_has_a_bounded_shape() -> None:
    shape = long_session(20_000)
    assert (len(shape.symbols), len(shape.firsts), shape.dropped) == (MAX_PHASES, MAX_PHASES, 20_000 - MAX_PHASES)
    assert shape.firsts[-1] == 20_000
    assert len(shape.known) == MAX_KNOWN
    course = shape.course.series()
    assert course.shape[1] <= MAX_POINTS
    assert ((course >= 0) & (course <= 1)).all()
    assert len(packed(shape)) < 60_000


def test_a_session_without_deeds_has_an_empty_shape_with_one_point() -> None:
    shape = shape_of([])
    assert (shape.symbols, shape.deeds) == ("", 0)
    assert shape.course.series().shape == (len(CHANNELS), 1)
