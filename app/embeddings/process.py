"""`python -m app.embeddings.process`: embeds bulk slices at low priority, so that the server's cores and event loop stay free.

Reads requests from standard input and replies on standard output, one at a time. It exits at the end of its input, and so in whatever way
its owner ends. `bulk.py` decides which slice is next, `supervision.py` starts it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.embeddings import cpu, cuda
from app.embeddings.frames import LENGTH, SliceReply, framed
from app.embeddings.model import FOLDER, Model
from app.embeddings.runtime import RuntimeEmbedder
from app.settings import EmbeddingsSettings
from app.storage.priority import lower_priority

NICE = 10
"""Nice value, like an embedded worker's: questions go first. At 19, other programs leave it next to nothing (1 text/s)."""


def main() -> None:
    """Load the model, then answer each slice until the input ends."""
    parser = argparse.ArgumentParser(description="Cairn's process for batches of embeddings. Started by `cairn serve`.")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--options", required=True, help="the section [embeddings] as JSON")
    arguments = parser.parse_args()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep what libraries print out of the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group, but the owner stops this process
    lower_priority(NICE)
    embedder = _loaded(arguments.models, EmbeddingsSettings.model_validate_json(arguments.options))
    _send(replies, SliceReply())
    while (body := _read(sys.stdin.buffer)) is not None:
        _send(replies, _reply(embedder, msgspec.msgpack.decode(body, type=list[str])))


def _loaded(models: Path, options: EmbeddingsSettings) -> RuntimeEmbedder:
    """Load the model, on the GPU only if the settings require it: torch takes 500 MB."""
    model = Model(models / FOLDER)
    if cuda.use_gpu(options, batches=False):
        return cuda.load(model, options)
    return cpu.load(model, options, models / "compiled", lane="slices")


def _reply(embedder: RuntimeEmbedder, texts: list[str]) -> SliceReply:
    try:
        return SliceReply(embedder.embed_blocking(texts).astype("<f4").tobytes())
    except Exception as error:  # noqa: BLE001 - runtimes raise any class; the owner gets the message
        return SliceReply(error=f"{type(error).__name__}: {error}")


def _read(source: BinaryIO) -> bytes | None:
    """Read one message's body; None at the end of the input."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    body = source.read(LENGTH.unpack(head)[0])
    return body if len(body) == LENGTH.unpack(head)[0] else None


def _send(target: BinaryIO, reply: SliceReply) -> None:
    target.write(framed(reply))
    target.flush()


if __name__ == "__main__":
    main()
