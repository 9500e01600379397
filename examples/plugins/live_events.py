"""Send a session while it goes on, each line of stdin (`user: why NATS?`) an event: python live_events.py ide-4711 --project shop

An editor calls `Outbox.add` where something happens. What can't be sent stays in the outbox and goes with the next event: events are
idempotent by their id, so that sending one twice does no harm.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cairn.client import Client, ConnectionLost, Event, TimedOut, Unavailable, Unreachable

MAX_AT_ONCE = 200


@dataclass
class Outbox:
    """The events of a session that are still to be sent."""

    client: Client
    session: str
    project: str | None
    waiting: list[Event] = field(default_factory=list)
    sent: int = 0

    def add(self, event: Event) -> None:
        """Add an event, and send what there is; offline it waits."""
        self.waiting.append(event)
        with suppress(Unreachable, TimedOut, ConnectionLost, Unavailable):
            self.send()

    def send(self) -> None:
        """Send all that waits. Raises CairnError; what was not sent stays."""
        while self.waiting:
            now = self.waiting[:MAX_AT_ONCE]
            self.client.sessions.append(self.session, now, project=self.project)
            self.sent += len(now)
            del self.waiting[: len(now)]


def main() -> int:
    """Send each line of stdin as an event."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", help="the session's id in the editor")
    parser.add_argument("--project")
    given = parser.parse_args()
    with Client(timeout=10) as client:
        outbox = Outbox(client, given.session, given.project)
        for number, line in enumerate(sys.stdin, start=1):
            role, _, text = line.rstrip("\n").partition(": ")
            outbox.add(Event(id=f"line-{number}", role=role, text=text, timestamp=datetime.now(UTC)))
        outbox.send()
    print(f"{outbox.sent} events are stored.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
