"""Measures a check of items against a repository: cold, after one commit in a new process, and what each process takes in memory.

.venv/bin/python tests/performance/measure_freshness.py [--files 5000] [--items 10000] [--commits 500]

The repository is made up, in six languages, with 4 to 24 functions a file; each commit changes up to five files. Of the items a third names a
function and its file, a third a function alone, the rest a file, or what the repository never had. Each check runs in a process of its own, as `cairn freshness`
does, over the same file of digests; fetching and storing are not in it. Exit 1 where a target is missed: 60 s cold, 2 s after a commit.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from app.freshness.checking import CheckedItem, check_items
from app.freshness.git import Repository

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COLD_SECONDS, AFTER_COMMIT_SECONDS = 60.0, 2.0
BODIES = {
    "py": "def {name}(first, second):\n    total = first * {salt}\n    for each in second:\n        total += each.price\n    return total\n\n\n",
    "ts": "export function {name}(first: number, rest: Row[]): number {{\n  let total = first * {salt};\n  for (const each of rest) total += each.price;\n  return total;\n}}\n\n",
    "go": "func {name}(first int, rest []Row) int {{\n\ttotal := first * {salt}\n\tfor _, each := range rest {{\n\t\ttotal += each.Price\n\t}}\n\treturn total\n}}\n\n",
    "rs": "fn {name}(first: i64, rest: &[Row]) -> i64 {{\n    let mut total = first * {salt};\n    for each in rest {{ total += each.price; }}\n    total\n}}\n\n",
    "java": "    int {name}(int first, List<Row> rest) {{\n        int total = first * {salt};\n        for (Row each : rest) total += each.price;\n        return total;\n    }}\n\n",
    "rb": "def {name}(first, rest)\n  total = first * {salt}\n  rest.each {{ |each| total += each.price }}\n  total\nend\n\n",
}
HEADS = {"go": "package shop\n\n", "java": "class Shop {\n"}
ENDS = {"java": "}\n"}


class MadeRepository:
    """A made-up repository: for each file its functions, and for each function the number by which it was last changed."""

    def __init__(self, folder: Path, files: int, chosen: random.Random) -> None:
        self.folder = folder
        self.chosen = chosen
        kinds = list(BODIES)
        self.files = {
            f"src/part{n % 97}/module{n}.{kinds[n % len(kinds)]}": {f"compute_{n}_{k}": 1 for k in range(chosen.randint(4, 24))}
            for n in range(files)
        }

    def content(self, path: str) -> bytes:
        kind = path.rpartition(".")[2]
        bodies = "".join(BODIES[kind].format(name=name, salt=salt) for name, salt in self.files[path].items())
        return f"{HEADS.get(kind, '')}{bodies}{ENDS.get(kind, '')}".encode()

    def stream(self, commits: int) -> Iterator[bytes]:
        """Yield the stream of `git fast-import`: one commit of all files, then one an hour."""
        for number in range(commits + 1):
            changed = list(self.files) if number == 0 else self.change()
            at = int((BEGIN + timedelta(hours=number)).timestamp())
            yield b"commit refs/heads/main\ncommitter Eve <eve@example.org> %d +0000\ndata 6\nchange\n" % at
            for path in changed:
                content = self.content(path)
                yield b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content)

    def change(self) -> list[str]:
        """Change a function in up to five files."""
        paths = self.chosen.sample(list(self.files), self.chosen.randint(1, 5))
        for path in paths:
            self.files[path][self.chosen.choice(list(self.files[path]))] += 1
        return paths

    def git(self, *words: str, stream: bytes | None = None) -> None:
        subprocess.run(["git", *words], cwd=self.folder, input=stream, check=True, capture_output=True)

    def commit(self) -> None:
        for path in self.change():
            (self.folder / path).write_bytes(self.content(path))
        self.git("-c", "user.name=Eve", "-c", "user.email=eve@example.org", "commit", "--quiet", "--all", "--message", "change")

    def items(self, count: int, commits: int) -> Iterator[CheckedItem]:
        """Yield items that were said at any time between the first commit and the last."""
        paths = list(self.files)
        for number in range(count):
            path = self.chosen.choice(paths)
            name = self.chosen.choice(list(self.files[path]))
            words = [
                f"`{name}` in {path} adds up",
                f"{name}() adds up",
                f"Rows are added up in {path}",
                "`BrokerClient.publish_all` of the library retries",
            ]
            said_at = BEGIN + timedelta(hours=self.chosen.uniform(0, commits))
            yield CheckedItem(UUID(int=number), f"{words[number % 3 if number % 30 else 3]} so that totals agree", (), said_at)


def processor_seconds() -> float:
    """Return the processor time of this process and of each `git` that it ran: what a busy machine changes least."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def check(folder: Path, items: Path, kept: Path) -> None:
    """Check in this process, and print what it took as JSON."""
    given = [CheckedItem(UUID(each[0]), each[1], (), datetime.fromisoformat(each[2])) for each in json.loads(items.read_bytes())]
    begun = time.perf_counter()
    result = check_items(Repository.open(folder), given, kept=kept)
    seconds, spent = time.perf_counter() - begun, processor_seconds()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"seconds": seconds, "spent": spent, "mb": megabytes, "verdicts": Counter(finding.verdict for _, finding in result.findings)}
        )
    )


def measured(name: str, arguments: Sequence[str], kept: Path) -> float:
    """Run a check in a process of its own; print and return its seconds, from its start to its end."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, "--check", *arguments], check=True, capture_output=True, text=True)
    whole = time.perf_counter() - begun
    told = json.loads(done.stdout)
    size = kept.stat().st_size / 2**20
    print(
        f"{name}: {whole:.2f} s ({told['seconds']:.2f} s of it the check), {told['spent']:.2f} s of processor time, {told['mb']:.0f} MB; file {size:.1f} MB; {told['verdicts']}"
    )
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--check", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.check is not None:
        check(*options.check)
        return
    with tempfile.TemporaryDirectory(prefix="cairn-freshness-") as scratch:
        folder, items, kept = (Path(scratch, each) for each in ("repository", "items.json", "kept.json"))
        folder.mkdir()
        made = MadeRepository(folder, options.files, random.Random(7))
        made.git("init", "--quiet", "--initial-branch", "main")
        made.git("fast-import", "--quiet", stream=b"".join(made.stream(options.commits)))
        made.git("reset", "--quiet", "--hard", "main")
        given = [(str(each.id), each.words, each.said_at.isoformat()) for each in made.items(options.items, options.commits)]
        items.write_text(json.dumps(given))
        arguments = [str(folder), str(items), str(kept)]
        cold = measured("cold", arguments, kept)
        measured("again", arguments, kept)
        made.commit()
        after = measured("after a commit", arguments, kept)
    if cold > COLD_SECONDS or after > AFTER_COMMIT_SECONDS:
        sys.exit(f"Missed: at most {COLD_SECONDS:.0f} s cold and {AFTER_COMMIT_SECONDS:.0f} s after a commit.")


if __name__ == "__main__":
    main()
