"""`python -m app.embeddings.process`: embeds slices of bulk work at low priority, so that the server's cores and loop don't wait for it.

Reads requests from standard input and answers on standard output, one at a time; ends with its input, however its owner ended.
`bulk.py` says which slice is next, `supervision.py` starts it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from app.embeddings import cuda
from app.embeddings.frames import LENGTH, SliceReply, framed
from app.embeddings.model import FOLDER, Model
from app.embeddings.runtime import RuntimeEmbedder, load
from app.settings import Embeddings
from app.storage.priority import lower_priority

NICE = 10
"""As an embedded worker's: whoever asks goes first. At 19 other programs would leave it next to nothing (1 text/s)."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Cairn's process for batches of embeddings. Started by `cairn serve`.")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--options", required=True, help="the section [embeddings] as JSON")
    arguments = parser.parse_args()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no reply
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, but the owner decides when we leave
    lower_priority(NICE)
    embedder = _loaded(arguments.models, Embeddings.model_validate_json(arguments.options))
    _send(replies, SliceReply())
    while (body := _read(sys.stdin.buffer)) is not None:
        _send(replies, _reply(embedder, msgspec.msgpack.decode(body, type=list[str])))


def _loaded(models: Path, options: Embeddings) -> RuntimeEmbedder:
    """On the GPU only where the settings ask for it: torch takes 500 MB."""
    model = Model(models / FOLDER)
    if cuda.wanted(options, batches=False):
        return cuda.load(model, options)
    return load(model, options, models / "compiled", lane="slices")


def _reply(embedder: RuntimeEmbedder, texts: list[str]) -> SliceReply:
    try:
        return SliceReply(embedder.embed_blocking(texts).astype("<f4").tobytes())
    except Exception as error:  # noqa: BLE001 - a runtime's errors are of no one class; the owner gets the words
        return SliceReply(error=f"{type(error).__name__}: {error}")


def _read(source: BinaryIO) -> bytes | None:
    """One message's body; None at the end."""
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
