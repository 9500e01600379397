"""Follows what is found in a session, for a reader's stream: each finding as it is told, and again when it changes."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from app.accounts.requester import Requester
from app.errors import InvalidInput
from app.sessions.reader import SessionReader
from app.trajectory.analysis.findings import FindingKey, ToldFinding
from app.trajectory.analysis.queries import AnalysisQueries, FindingPosition

FINDINGS_PAGE: Final = 100
MAX_REMEMBERED: Final = 500
"""Findings of which a stream knows what it told: one that is written again without a change isn't told again."""
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)


class FollowedFindings:
    """The findings of one session since a position. `position`: after what was told last; `parse_finding_position` reads it."""

    def __init__(self, queries: AnalysisQueries, sessions: SessionReader, session_id: UUID, position: FindingPosition) -> None:
        self._queries = queries
        self._sessions = sessions
        self._session_id = session_id
        self._position = position
        self._told: OrderedDict[FindingKey, object] = OrderedDict()

    @property
    def position(self) -> str:
        return _text(self._position)

    async def since(self, requester: Requester) -> Sequence[tuple[str, ToldFinding]]:
        """Return up to a page of what is new or changed, each with the position after it; of another's session without words.

        A stream records no reading: see `sessions.stream`.
        """
        page = await self._queries.told_since(self._session_id, self._position, limit=FINDINGS_PAGE)
        if not page:
            return ()
        shown = await self._sessions.show(requester, self._session_id)
        places = _places(self._position, [position for position, _ in page])
        new = [(place, each) for place, (_, each) in zip(places, page, strict=True) if self._is_new(each)]
        self._position = page[-1][0]
        return new if shown.session.is_by(requester.developer_id) else [(place, replace(each, because="")) for place, each in new]

    def _is_new(self, finding: ToldFinding) -> bool:
        said = (finding.last, finding.evidence, finding.because, finding.open)
        before = self._told.pop(finding.key, None)
        self._told[finding.key] = said
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        return before != said


def _places(before: FindingPosition, positions: Sequence[FindingPosition]) -> Iterator[str]:
    """Yield where to go on after each: after the last one of its position only, so that what shares it isn't passed over."""
    for position, following in zip(positions, [*positions[1:], None], strict=True):
        if following != position:
            before = position
        yield _text(before)


def _text(position: FindingPosition) -> str:
    return f"{position.revision}.{position.told}"


def parse_finding_position(given: str) -> FindingPosition:
    """Read a position as `FollowedFindings.position` gives it; empty: the beginning. Raises InvalidInput."""
    if not given:
        return FindingPosition()
    found = _POSITION.fullmatch(given)
    if found is None:
        raise InvalidInput(
            "last-event-id must be an id from this stream, such as 12.4~3.9. Leave it out to start from the beginning.",
            param="last-event-id",
        )
    return FindingPosition(int(found[1]), int(found[2]))
