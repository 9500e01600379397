"""Which states are kept: few, and near enough for a change anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.trajectory.analysis.snapshots import LAG, LEVELS, kept_seqs

ends = st.integers(0, 250_000)


@given(ends)
def test_few_states_are_kept_and_none_at_the_very_end(end: int) -> None:
    kept = kept_seqs(end)
    assert len(kept) <= 2 * len(LEVELS)
    assert all(0 < seq <= end - LAG for seq in kept)


@given(ends, st.integers(1, 70_000))
def test_a_change_reads_again_in_proportion_to_its_distance(end: int, back: int) -> None:
    nearest = max((seq for seq in kept_seqs(end) if seq <= end - back), default=0)
    assert end - nearest <= (2 * LAG if back <= LAG else 17 * back)


@given(ends, st.integers(0, 2_000))
def test_a_session_that_grows_keeps_what_it_will_need_later(end: int, grown: int) -> None:
    passed_again = {seq for seq in kept_seqs(end + grown) if seq > max(kept_seqs(end), default=0)}
    assert kept_seqs(end + grown) <= kept_seqs(end) | passed_again
