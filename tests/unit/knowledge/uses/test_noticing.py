"""Use of knowledge is noticed in little sessions as a reader would, and never in one that was served nothing."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.knowledge.uses import noticing
from app.knowledge.uses.noticing import ServedText, notice_uses
from app.sessions.event import Event, ToolUse
from tests.unit.knowledge.uses.little_sessions import KNOWLEDGE, LittleSession, little_sessions

DEVELOPED, HELD_OUT = little_sessions("sessions.toml"), little_sessions("held_out.toml")
MIN_HELD_OUT_RECALL = 0.85


@pytest.mark.parametrize("session", DEVELOPED, ids=lambda each: each.name)
def test_a_session_gives_the_verdict_that_a_reader_would(session: LittleSession) -> None:
    assert session.found() == session.verdict


def test_sessions_that_the_rules_were_not_made_on_give_no_false_verdict_and_few_are_missed() -> None:
    wrong = [each.name for each in HELD_OUT if each.found() not in {each.verdict, "nothing"}]
    real = [each for each in HELD_OUT if each.verdict != "nothing"]
    found = [each for each in real if each.found() == each.verdict]
    assert wrong == []
    assert len(found) >= MIN_HELD_OUT_RECALL * len(real)


@pytest.mark.parametrize("session", [*DEVELOPED, *HELD_OUT], ids=lambda each: each.name)
def test_a_session_that_was_served_nothing_or_only_after_it_ended_used_nothing(session: LittleSession) -> None:
    events = list(enumerate(session.events, start=1))
    assert notice_uses([], events) == []
    assert notice_uses([ServedText(KNOWLEDGE, len(events), session.says)], events) == []


def test_a_use_names_its_place_and_how_it_was_done() -> None:
    (ran,) = next(each for each in DEVELOPED if each.name == "ran the command that it names").noticed()
    assert (ran.act, ran.locator) == ("command", "L3")
    (answered,) = next(each for each in DEVELOPED if each.name == "answered with it").noticed()
    assert (answered.act, answered.locator) == ("answer", "L3")


def test_an_event_without_any_mark_is_asked_of_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    found = noticing._Watched.found

    def counted(watched: noticing._Watched, words: noticing._Words) -> set[str]:
        asked.append(watched.served.id)
        return found(watched, words)

    monkeypatch.setattr(noticing._Watched, "found", counted)
    served = [ServedText(UUID(int=number), 0, f"Set `retry_budget_{number}_ms` to 750.") for number in range(1, 41)]
    unrelated = [
        Event(f"e{at}", "assistant", "reply", "The worker waits for the queue, and reads it again.", f"L{at}") for at in range(500)
    ]
    said = Event("e500", "assistant", "reply", "retry_budget_7_ms is what it waits for.", "L500")
    notice_uses(served, enumerate([*unrelated, said], start=1))
    assert set(asked) == {UUID(int=7)}


def test_a_text_longer_than_what_is_read_may_have_told_it_before() -> None:
    text = "Stale connections: `pool_pre_ping` must be true."
    edit = Event("e2", "tool", "tool", "", "L2", tool=ToolUse("Edit", "db.py\n+ pool_pre_ping = true"), outcome="ok")
    thanks = Event("e3", "user", "prompt", "great, thanks", "L3")

    def uses(shown: str) -> int:
        read = Event("e1", "tool", "tool", "", "L1", tool=ToolUse("Read", "log", shown), outcome="ok")
        return len(notice_uses([ServedText(KNOWLEDGE, 0, text)], enumerate([read, edit, thanks], start=1)))

    assert (uses("x " * 100), uses("x " * noticing.MAX_READ_CHARS)) == (1, 0)
