"""What `cairn serve` imports to start: not what only some servers or some requests need, since that stays in its memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.running import ROOT

LATER = {
    "alembic": "a schema is brought up to date",
    "cairn": "never: it is the client",
    "charset_normalizer": "a transcript isn't UTF-8",
    "cryptography": "an agent asks over MCP, somebody signs in by OpenID Connect, or a Redis is configured",
    "dtaidistance": "a session's course is measured, in a worker",
    "jsonschema": "an agent calls a tool over MCP",
    "jwt": "somebody signs in with OpenID",
    "litellm": "a provider is called through it",
    "mcp": "an agent asks over MCP",
    "mcp_types": "an agent asks over MCP",
    "onnxruntime": "it runs the model",
    "openai": "litellm is loaded",
    "opentelemetry.sdk": "a collector is configured",
    "openvino": "it runs the model",
    "qdrant_client": "a Qdrant server is configured",
    "redis": "a Redis is configured",
    "sentence_transformers": "a setting chooses it",
    "tiktoken": "tokens are counted",
    "torch": "it runs the model",
    "transformers": "a setting chooses it",
}
"""Modules, and what each is loaded for."""


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    """All that a process has loaded once it could open the server."""
    code = "import sys, app.cli.serving; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return frozenset(done.stdout.splitlines())


@pytest.mark.parametrize("module", LATER)
def test_a_server_starts_without_what_only_some_need(module: str, imported: frozenset[str]) -> None:
    assert "app.main" in imported
    assert module not in imported, f"it is needed only when {LATER[module]}: import it there (40 MB came so, little by little)"
