"""What a passage costs on the disk: PostgreSQL's tables and indexes, and the vector store, per passage, after real sessions were read.

python tests/performance/measure_storage.py [--uploads=N]      an empty server reads the sessions of the public evaluation data
python tests/performance/measure_storage.py --folder=FOLDER    the data folder of an embedded Cairn that runs now; nothing is changed in it

Bytes that the file system has given to files. The vector store's log has at most two files of 33 MB, however much is stored: of few
passages each has more of it. The vector store is shared with the items: its bytes are told by points. Measured after a
re-index. Tables and indexes have a few pages even when empty, so a small folder looks somewhat dearer than a large one.
Needs CAIRN_EVAL_DATA where the data doesn't lie beside the project.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg
import psutil

from tests.performance.measure import Figure, machine, show
from tests.performance.measure_budget import connected
from tests.running import Running, running

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
UPLOADS = DATA / "questions" / "uploads.jsonl"
TARGET = 12_000
"""Bytes a passage, everything."""
TABLES = ("passages", "passage_places", "passage_cuts")
OUTBOX = "index_outbox"
JOB_SECONDS, REBUILD_SECONDS, DRAIN_SECONDS = 1_800, 900, 600


class NotMeasurable(Exception):
    """There is nothing to measure; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes by what they are for: `relations` in PostgreSQL ("passages: heap"), `store` in the live generation of the vector store."""

    passages: int
    items: int
    places: int
    relations: Mapping[str, int]
    store: Mapping[str, int]


async def sizes(database_url: str, folder: Path) -> Sizes:
    """Read the sizes of a running embedded Cairn. NotMeasurable where its database has no passages."""
    await require_tables(database_url)
    async with connected(database_url) as connection:
        passages, items, places = [await _count(connection, name) for name in ("passages", "knowledge", "passage_places")]
        if not passages:
            raise NotMeasurable(
                "The database has no passages yet: read some sessions first, or wait for the backfill (`cairn doctor` shows how far it is)."
            )
        relations: dict[str, int] = {}
        for table in (*TABLES, OUTBOX):
            relations |= await _relations(connection, table)
    return Sizes(passages, items, places, relations, store_parts(folder / "vectors"))


async def require_tables(database_url: str) -> None:
    """NotMeasurable where a table is missing."""
    async with connected(database_url) as connection:
        missing = [name for name in (*TABLES, OUTBOX) if await connection.fetchval("select to_regclass($1)", name) is None]
    if missing:
        raise NotMeasurable(
            f"The database has no table {', '.join(missing)}: passages came with migration 0013. Start a version that has it once."
        )


async def _count(connection: asyncpg.Connection, table: str) -> int:
    return int(await connection.fetchval(f"select count(*) from {table}"))


async def _relations(connection: asyncpg.Connection, table: str) -> dict[str, int]:
    """Bytes of a table's heap (with its maps), its long values, and each of its indexes: together `pg_total_relation_size`."""
    row = await connection.fetchrow(
        "select pg_table_size(oid) - coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) as heap,"
        " coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) as toast"
        " from pg_class where oid = to_regclass($1)",
        table,
    )
    indexes = await connection.fetch(
        "select c.relname as name, pg_total_relation_size(c.oid) as bytes from pg_index i join pg_class c on c.oid = i.indexrelid"
        " where i.indrelid = to_regclass($1) order by 1",
        table,
    )
    found = {f"{table}: heap": row["heap"], f"{table}: long values (TOAST)": row["toast"]}
    return found | {f"{table}: {each['name']}": each["bytes"] for each in indexes}


def store_parts(folder: Path) -> dict[str, int]:
    """Bytes that the file system has given to each part of the live generation: a segment's folders, the log (`wal`), all else."""
    live = folder / (folder / "current").read_text().strip()
    made: Counter[str] = Counter()
    for path in live.rglob("*"):
        with suppress(FileNotFoundError):  # a segment that was merged away meanwhile
            if path.is_file():
                made[_part(path.relative_to(live).parts)] += path.stat().st_blocks * 512
    return dict(sorted(made.items()))


def _part(parts: tuple[str, ...]) -> str:
    """The part that a file belongs to: `shard/segments/<id>/payload_index/…` is payload_index."""
    if "segments" in parts and len(parts) > (place := parts.index("segments")) + 3:
        return parts[place + 2]
    return "wal" if "wal" in parts else "other files"


def figures(found: Sizes, empty: int | None = None) -> list[Figure]:
    """A figure for each part, and of all against the target. `empty`: bytes of a vector store that holds nothing."""

    def each(name: str, total: float, target: float | None = None) -> Figure:
        return Figure("a passage", name, "B", total / found.passages, target)

    share = found.passages / (found.passages + found.items)
    postgres, store = sum(found.relations.values()), sum(found.store.values()) * share
    return [
        Figure("all", "passages", "", found.passages),
        Figure("all", "places", "", found.places),
        Figure("all", "items in the same vector store", "", found.items),
        *([] if empty is None else [Figure("all", "vector store before anything was read", "B", empty)]),
        *(each(name, size) for name, size in found.relations.items() if size),
        *(each(f"vector store: {name}", size * share) for name, size in found.store.items() if size),
        each("PostgreSQL", postgres),
        each("vector store", store),
        each("everything but the vector store's log", postgres + store - found.store.get("wal", 0) * share),
        each("everything", postgres + store, TARGET),
    ]


async def at_rest(database_url: str) -> None:
    """Bring a database to what it is an hour after its ingest: the outbox drained and swept, and vacuumed as autovacuum would."""
    async with connected(database_url) as connection:
        until = time.monotonic() + DRAIN_SECONDS
        while await connection.fetchval(f"select count(*) from {OUTBOX} where drained_at is null"):
            if time.monotonic() > until:
                raise NotMeasurable(f"The index hadn't heard of every passage after {DRAIN_SECONDS} s: look into the server's log.")
            await asyncio.sleep(0.2)
        await connection.execute(f"delete from {OUTBOX}")
        for table in (*TABLES, OUTBOX):
            await connection.execute(f"vacuum (analyze) {table}")


def ingest(server: Running, scratch: Path, uploads: Iterable[Mapping[str, str]]) -> None:
    """Upload and read every session. Many files have one name, so each is sent by its path. NotMeasurable where a required one fails."""
    failed = []
    for number, each in enumerate(uploads):
        named = scratch / str(number) / each["transcript"].partition("/")[2].replace("/", "__")
        named.parent.mkdir()
        named.symlink_to(DATA / each["transcript"])
        job = server.finished(server.upload(named, each["project"]), seconds=JOB_SECONDS)
        if job["state"] != "done" and not each.get("optional"):
            failed.append(f"{each['transcript']}: {job['error']}")
    if failed:
        raise NotMeasurable(
            f"{len(failed)} sessions could not be read, so the passages aren't those of the set: {'; '.join(failed)[:2000]}"
        )


def rebuild(server: Running) -> None:
    """Build the index anew, as it is after its regular re-index: one generation, with its graphs."""
    request = urllib.request.Request(server.url + "/v1/index/rebuild", method="POST", headers={"authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=REBUILD_SECONDS) as reply:
        last = reply.read().decode().strip().rpartition("\n")[2]
    if "error" in json.loads(last):
        raise NotMeasurable(f"The index could not be rebuilt: {last}")


def storage(scratch: Path, uploads: list[Mapping[str, str]]) -> list[Figure]:
    """Read sessions into an empty server, and return what their passages take."""
    (scratch / "uploads").mkdir()
    with running(scratch / "storage") as server:
        url = server.database_url()
        asyncio.run(require_tables(url))  # said before the ingest, not after it
        empty = sum(store_parts(server.folder / "vectors").values())
        ingest(server, scratch / "uploads", uploads)
        asyncio.run(at_rest(url))
        rebuild(server)
        return figures(asyncio.run(sizes(url, server.folder)), empty)


def of_running(folder: Path) -> list[Figure]:
    """The figures of a Cairn that runs in this data folder. The outbox counts as it is: rows of the last hour are still in it."""
    try:
        pid = json.loads((folder / "server.json").read_text())["pid"]
        worker = next(each for each in psutil.Process(pid).children(recursive=True) if each.cmdline()[-1:] == ["worker"])
        url = worker.environ()["CAIRN_DATABASE__URL"]
    except (OSError, ValueError, KeyError, StopIteration, psutil.Error) as error:
        raise NotMeasurable(f"No embedded Cairn runs in {folder}: start it with CAIRN_DATA_DIR={folder}.") from error
    return figures(asyncio.run(sizes(url, folder)))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--uploads", type=int, help="so many of the sessions, for a quick look")
    parser.add_argument("--folder", type=Path, help="the data folder of a running embedded Cairn")
    arguments = parser.parse_args()
    try:
        if arguments.folder:
            found = of_running(arguments.folder)
        else:
            if not UPLOADS.is_file():
                raise NotMeasurable(f"The sessions are not at {UPLOADS}: set CAIRN_EVAL_DATA to the folder of the public evaluation data.")
            uploads = [json.loads(line) for line in UPLOADS.read_text().splitlines() if line.strip()][: arguments.uploads]
            print(machine())
            with tempfile.TemporaryDirectory(prefix="cairn-") as scratch:
                found = storage(Path(scratch), uploads)
    except NotMeasurable as error:
        sys.exit(str(error))
    show(found)
    return 0 if all(figure.met for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
