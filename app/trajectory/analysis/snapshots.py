"""Decides after which events an analysis' state is stored, so that a change among the last events re-reads few. Pure."""

from __future__ import annotations

LAG = 16
"""Events behind the session's end that the newest stored state stands at least: calls among these are likely to get their result yet."""
LEVELS = (16, 128, 1_024, 8_192, 65_536)
"""Distances between stored states. Of each level the newest two are kept."""


def kept_seqs(end: int) -> set[int]:
    """Return the seqs whose states are kept for a session of `end` events.

    A change `d` events before the end finds a state at most 17 × max(d, 16) before the end, if not at the beginning; one of the last LAG
    finds one at most 2 × LAG before it. There are at most two a level, however long the session.
    """
    newest = end - LAG
    seqs = {newest // every * every - back * every for every in LEVELS for back in (0, 1)}
    return {seq for seq in seqs if seq > 0}
