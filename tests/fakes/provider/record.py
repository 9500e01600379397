"""What the fake remembers of a request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.provider.answers import Json


@dataclass(slots=True, kw_only=True)
class Asked:
    """One request. `when`: seconds since the epoch; `peer`: the client's port, so the same connection has the same.

    `finished`: everything meant to be sent was. `disconnected`: the client left before that. Neither: the fake ended it, or is at it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    model: str
    peer: int
    fault: str | None = None
    when: float = field(default_factory=time.time)
    tokens_sent: int = 0
    finished: bool = False
    disconnected: bool = False
    ended_by_us: bool = False

    def plain(self) -> Json:
        """As the control interface tells it."""
        kept = ("method", "path", "body", "model", "peer", "fault", "when", "tokens_sent", "finished", "disconnected", "ended_by_us")
        return {"headers": {name.lower(): value for name, value in self.headers.items()}, **{name: getattr(self, name) for name in kept}}
