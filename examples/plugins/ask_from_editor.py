"""Ask what the team knows from an editor: python ask_from_editor.py "why NATS?" --project shop --file src/bus.py

The line that an editor shows in a panel, with where each sentence was said. Exits with 1 where nothing answers the question.
"""

from __future__ import annotations

import argparse
import sys

from cairn.client import CairnError, Client


def main() -> int:
    """Ask, and print the answer with its citations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--project")
    parser.add_argument("--file", action="append", default=[], help="a file that is open in the editor; may be given again")
    given = parser.parse_args()
    try:
        with Client() as client:
            answer = client.ask(given.question, project=given.project, files=given.file, limit=5).answer
    except CairnError as error:
        print(f"Cairn: {error.message}", file=sys.stderr)
        return 2
    if answer is None or answer.abstained:
        print("Nothing that the team said answers this.")
        return 1
    print(answer.text)
    for number, quote in enumerate(answer.citations, start=1):
        said = "" if quote.at is None else f", {quote.at:%Y-%m-%d}"
        print(f"  [{number}] {quote.transcript} {quote.locator}{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
