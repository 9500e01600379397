"""What a projection has to do for a session, decided from its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.projections import (
    MAX_ATTEMPTS,
    MAX_WHOLE_PAUSE,
    Checkpoint,
    Current,
    Due,
    Later,
    Parked,
    Projection,
    Projections,
    next_step,
    retry_after,
    whole_pause,
)
from app.sessions.session import Session

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SESSION = Session(
    id=uuid4(),
    team_id=uuid4(),
    project_id=uuid4(),
    developer_id=None,
    provider="generic",
    external_id="s",
    title=None,
    transcript="t.jsonl",
    directory=None,
    repository=None,
    branch=None,
    commit=None,
    agent_version=None,
    model=None,
    started_at=NOW,
    ended_at=NOW,
    file_dated_at=None,
    event_count=10,
    revision=3,
    redactions={},
    created_at=NOW,
    updated_at=NOW,
)
AT_END = Checkpoint("1", 10, 3, None, 0, None, NOW)


@dataclass
class Named:
    name: str = "words"
    version: str = "1"
    whole: bool = False


def step(
    checkpoint: Checkpoint | None, *, session: Session = SESSION, changed: int | None = None, background: bool = False, **projection: Any
) -> object:
    return next_step(cast("Projection", Named(**projection)), session, checkpoint, first_changed=changed, now=NOW, background=background)


def test_without_a_checkpoint_everything_is_due() -> None:
    assert step(None) == Due(0)


def test_at_the_end_nothing_is_due() -> None:
    assert step(AT_END) == Current()


def test_only_events_after_the_checkpoint_are_due() -> None:
    assert step(replace(AT_END, seq=7, revision=2)) == Due(7)


def test_an_event_that_was_changed_later_is_due_again() -> None:
    """A late result raises the revision and leaves the count."""
    assert step(replace(AT_END, revision=2), changed=4) == Due(3)
    assert step(replace(AT_END, seq=2, revision=2), changed=4) == Due(2)


def test_a_new_version_starts_from_the_beginning() -> None:
    assert step(AT_END, version="2", changed=9) == Due(0)


def test_a_projection_of_whole_sessions_starts_from_the_beginning() -> None:
    assert step(replace(AT_END, seq=7, revision=2), whole=True) == Due(0)


def test_a_long_session_that_grows_is_read_whole_only_now_and_then_unless_somebody_waits() -> None:
    long = replace(SESSION, event_count=10_000, revision=50)
    behind = replace(AT_END, seq=9_990, revision=49, updated_at=NOW - timedelta(seconds=1))
    assert step(behind, session=long, whole=True, background=True) == Later(behind.updated_at + whole_pause(10_000))
    assert step(behind, session=long, whole=True) == Due(0)
    assert step(behind, session=long, background=True) == Due(9_990)
    rested = replace(behind, updated_at=NOW - whole_pause(10_000))
    assert step(rested, session=long, whole=True, background=True) == Due(0)


def test_a_parked_session_waits_for_its_time_then_for_another_version() -> None:
    parked = replace(AT_END, seq=4, revision=1, parked="It failed.", attempts=2, retry_at=NOW + timedelta(minutes=5))
    assert step(parked) == Later(NOW + timedelta(minutes=5), "It failed.")
    assert step(replace(parked, retry_at=NOW)) == Due(4)
    assert step(replace(parked, retry_at=None)) == Parked("It failed.")
    assert step(replace(parked, retry_at=None), version="2") == Due(0)


def test_a_session_is_tried_again_later_each_time_and_at_last_no_more() -> None:
    pauses = [retry_after(attempts) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert pauses[-1] is None
    kept = [pause for pause in pauses if pause is not None]
    assert kept == sorted(set(kept))


@given(st.integers(0, 10_000_000))
def test_the_pause_grows_with_the_session_up_to_a_bound(events: int) -> None:
    assert timedelta() <= whole_pause(events) <= whole_pause(events + 1000) <= MAX_WHOLE_PAUSE


@given(st.integers(0, 12), st.integers(0, 4), st.none() | st.integers(1, 12))
def test_nothing_new_is_ever_passed_over(seq: int, revision: int, changed: int | None) -> None:
    """Whatever the checkpoint says: what was never seen, and what was changed since, is due."""
    found = step(replace(AT_END, seq=seq, revision=revision), changed=changed)
    if seq < 10 or revision < 3:
        assert isinstance(found, Due)
        assert found.after <= seq
        assert changed is None or found.after < changed


def test_two_projections_of_one_name_are_refused() -> None:
    one = cast("Projection", Named())
    with pytest.raises(ValueError, match="another name"):
        Projections([one, one])
