"""Run a real agent in a network namespace that has only a loopback, with one way out: a Unix socket that leads to Cairn.

So that an agent under test reaches no vendor, whatever it tries. Skips where namespaces aren't allowed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PORT = 8080
"""Cairn's port within the namespace, where nothing else runs."""
URL = f"http://127.0.0.1:{PORT}"
INSTALL_SECONDS, RUN_SECONDS = 240, 240
_BRIDGE = """
import asyncio, os, subprocess, sys

async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, RuntimeError, OSError):
        writer.close()

async def main(port, path, command):
    async def lead(reader, writer):
        inside, outside = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, outside), copy(inside, writer))
        writer.close(), outside.close()

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    await asyncio.start_server(lead, "127.0.0.1", port)
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL)
    os._exit(await process.wait())  # connections may still be open

asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    error: str


def namespace_command() -> list[str] | None:
    """Return the command that enters a network namespace of its own; None where none is allowed."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return None
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        tried = subprocess.run([*command, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    return None


def install(package: str, folder: Path) -> str | None:
    """Install an agent's package with npm into a folder. Returns why it can't be had, or None."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "node and npm are not installed"
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), package]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"npm did not install {package} in {INSTALL_SECONDS} s"
    return None if done.returncode == 0 else f"npm could not install {package}"


@asynccontextmanager
async def socket_to(url: str, folder: Path) -> AsyncIterator[Path]:
    """Serve a Unix socket that leads to a server on this machine."""
    path, target = folder / "cairn.socket", urlsplit(url)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (ConnectionError, OSError):
            writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(copy(reader, outside), copy(inside, writer))
        for each in (writer, outside):
            each.close()

    server = await asyncio.start_unix_server(lead, str(path))
    try:
        yield path
    finally:
        server.close()


async def run(namespace: Sequence[str], command: Sequence[str], *, socket: Path, folder: Path, environment: Mapping[str, str]) -> Finished:
    """Run a command in the namespace, in a folder, and wait for its end. Cairn is at `URL` there."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *namespace,
        sys.executable,
        "-c",
        _BRIDGE,
        str(PORT),
        str(socket),
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**inherited, **environment},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            out, error = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(errors="replace"), error.decode(errors="replace"))
