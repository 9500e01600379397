"""Remember what comments in code say: `# cairn: …` or `// cairn: …`. python remember_comments.py --project shop src/*.py

Run again it changes nothing: the same text in the same project is recorded once.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cairn.client import CairnError, Client

COMMENT = re.compile(r"(?:#|//|--)\s*cairn:\s*(?P<text>\S.*?)\s*$")


def comments(file: Path) -> Iterator[str]:
    """Yield what the file's comments ask to be remembered."""
    for line in file.read_text("utf-8", errors="replace").splitlines():
        if found := COMMENT.search(line):
            yield found["text"]


def main() -> int:
    """Record what the comments say, each with its file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--project", required=True)
    given = parser.parse_args()
    try:
        with Client() as client:
            for file in given.files:
                for text in comments(file):
                    item = client.knowledge.record(text, type="gotcha", project=given.project, paths=[file.as_posix()])
                    print(f"{item.id}  {item.title}")
    except (CairnError, OSError) as error:
        print(f"Not all was remembered: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
