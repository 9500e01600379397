"""A process's priority and its session's: what is written, and where nothing may be."""

from __future__ import annotations

import pytest

from app.storage import priority


class Group:
    """In place of the kernel's file. `fails`: where there is none."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.fails: OSError | None = None
        self.busy = 0

    def write_text(self, text: str) -> None:
        if self.fails:
            raise self.fails
        if self.busy:
            self.busy -= 1
            raise BlockingIOError
        self.written.append(text)


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    made = Group()
    monkeypatch.setattr(priority, "AUTOGROUP", made)
    return made


@pytest.mark.parametrize("nice", [0, 10, 19])
def test_a_process_that_leads_its_session_sets_the_sessions_priority(group: Group, monkeypatch: pytest.MonkeyPatch, nice: int) -> None:
    monkeypatch.setattr(priority.os, "getsid", lambda _: 42)
    monkeypatch.setattr(priority.os, "getpid", lambda: 42)
    priority.session_priority(nice)
    assert group.written == [str(nice)]


def test_a_process_in_somebody_elses_session_leaves_it_alone(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority.os, "getsid", lambda _: 7)
    monkeypatch.setattr(priority.os, "getpid", lambda: 42)
    priority.session_priority(19)
    assert group.written == []


@pytest.mark.parametrize("times", [1, 5])
def test_what_the_kernel_puts_off_is_tried_again(group: Group, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    monkeypatch.setattr(priority.os, "getsid", lambda _: 42)
    monkeypatch.setattr(priority.os, "getpid", lambda: 42)
    pauses: list[float] = []
    monkeypatch.setattr(priority.time, "sleep", pauses.append)
    group.busy = times
    priority.session_priority(0)
    assert (group.written, len(pauses)) == (["0"], times)


def test_a_system_without_such_priorities_is_no_error(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    group.fails = FileNotFoundError("/proc/self/autogroup")
    monkeypatch.setattr(priority.os, "getsid", lambda _: 42)
    monkeypatch.setattr(priority.os, "getpid", lambda: 42)
    priority.session_priority(19)


def test_a_process_is_lowered_with_its_session(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered: list[int] = []
    monkeypatch.setattr(priority.os, "nice", lowered.append)
    monkeypatch.setattr(priority.os, "getsid", lambda _: 42)
    monkeypatch.setattr(priority.os, "getpid", lambda: 42)
    priority.lower_priority(15)
    assert (lowered, group.written) == ([15], ["15"])
