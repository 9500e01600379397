"""`python -m tests.fakes.provider --port 9001`: the fake as a process of its own; prints its URL, ends at SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
from typing import get_args

import uvloop

from tests.fakes.provider.answers import Prefill
from tests.fakes.provider.server import FakeProvider


async def serve(asked: argparse.Namespace) -> None:
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    fake = FakeProvider(
        port=asked.port,
        first_token_ms=asked.first_token_ms,
        per_token_ms=asked.per_token_ms,
        prefill=asked.prefill,
        dimensions=asked.dimensions,
        remember=asked.remember,
    )
    async with fake:
        print(fake.url, flush=True)
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--first-token-ms", type=float, default=0)
    parser.add_argument("--per-token-ms", type=float, default=0)
    parser.add_argument("--prefill", choices=get_args(Prefill), default="continue")
    parser.add_argument("--dimensions", type=int, default=8, help="of an embedding that doesn't ask for some")
    parser.add_argument("--remember", type=int, default=1000, help="how many requests /_control/asked tells")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
