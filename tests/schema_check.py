"""`alembic check` on a real PostgreSQL: python -m tests.schema_check. Exit 1 when a room's tables and the migrations differ."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from app.storage.postgres import embedded_postgres

ROOT = Path(__file__).resolve().parent.parent


async def check() -> int:
    alembic = str(Path(sys.executable).parent / "alembic")
    with tempfile.TemporaryDirectory(prefix="cairn-check-", dir="/tmp") as scratch:
        async with embedded_postgres(Path(scratch) / "postgres", max_connections=20) as url:
            for arguments in (["upgrade", "head"], ["check"]):
                environment = {**os.environ, "CAIRN_DATABASE__URL": url}
                process = await asyncio.create_subprocess_exec(alembic, *arguments, cwd=ROOT, env=environment)
                if await process.wait():
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(check()))
