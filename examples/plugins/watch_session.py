"""Watch a session while it goes on, asynchronously: python watch_session.py SESSION_ID [--seconds 60]

Each prompt, reply and tool call as it comes, and what Cairn learns from it. A broken connection is made again by the client.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from cairn.client import AsyncClient, CairnError, StreamedEvent

WIDTH = 100


async def watch(session_id: str, seconds: float | None) -> None:
    """Print what comes to the session."""
    async with AsyncClient() as client, client.sessions.follow(session_id, seconds=seconds) as updates:
        async for update in updates:
            if isinstance(update, StreamedEvent):
                said = update.text or (update.tool.name if update.tool else "")
                print(f"{update.kind:>8}  {' '.join(said.split())[:WIDTH]}", flush=True)
            else:
                print(f"  learnt  {update.title[:WIDTH]}", flush=True)


def main() -> int:
    """Watch until the time is over, or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session_id")
    parser.add_argument("--seconds", type=float, help="0: what there is now; by default until Ctrl-C")
    given = parser.parse_args()
    try:
        asyncio.run(watch(given.session_id, given.seconds))
    except KeyboardInterrupt:
        return 0
    except CairnError as error:
        print(f"Cairn: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
