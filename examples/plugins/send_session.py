"""Send a coding session and wait until it can be found: python send_session.py session.jsonl --project shop"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cairn.client import CairnError, Client, Job


def show(job: Job) -> None:
    """Show how far the job is, on one line."""
    print(f"\r{job.state}: {job.progress.done} of {job.progress.total} bytes ", end="", file=sys.stderr)


def main() -> int:
    """Send the file, wait, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--project", help="by default the repository or folder that the session worked in")
    given = parser.parse_args()
    try:
        with Client() as client:
            job = client.sessions.upload(given.file, project=given.project).wait(progress=show)
            session = client.sessions.get(job.sessions[0]) if job.sessions else None
    except (CairnError, OSError) as error:
        print(f"\nThe session wasn't sent: {error}", file=sys.stderr)
        return 1
    print(file=sys.stderr)
    if session is None:
        print("There is no session in this file.")
    else:
        print(f"{session.title!r} of {session.project} can be found now: {session.events} events.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
