"""What the door's measurements call: a real `cairn serve` in front of fake providers, each in a process of its own; one developer who pays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

from tests.running import ROOT, Running, running

DEVELOPER, LIMIT_USD = "caller", 1_000_000
CONFIG = """
[inference]
chain = ["{first}"]
[budget]
team_tokens_a_day = "off"
"""
PROVIDER = """
[providers.{name}]
kind = "openai"
model = "{name}-1"
api_base = "{url}/v1"
api_key_env = "BENCHMARK_PROVIDER_KEY"
input_usd_per_mtok = 1.0
output_usd_per_mtok = 2.0
connections = 1000
"""


@contextmanager
def served(folder: Path, providers: Mapping[str, str]) -> Iterator[tuple[Running, str]]:
    """A server over providers (their addresses by name; "auto" is the first), and the key of its developer."""
    config = folder.with_suffix(".toml")
    config.write_text(
        CONFIG.format(first=next(iter(providers))) + "".join(PROVIDER.format(name=name, url=url) for name, url in providers.items())
    )
    with running(folder, {"CAIRN_CONFIG": str(config), "BENCHMARK_PROVIDER_KEY": "sk-benchmark"}) as server:
        server.post("/v1/developers", {"name": DEVELOPER, "monthly_limit_usd": LIMIT_USD})
        yield server, str(server.post(f"/v1/developers/{DEVELOPER}/keys", {})["key"])


@contextmanager
def fake(per_token_ms: float) -> Iterator[str]:
    """Its address. Ended at the context's end."""
    command = [sys.executable, "-m", "tests.fakes.provider", "--per-token-ms", str(per_token_ms)]
    with subprocess.Popen(command, stdout=PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            if not (url := process.stdout.readline().decode().strip()):
                raise RuntimeError("A fake provider didn't start: its last words are above.")
            yield url
        finally:
            process.terminate()
