"""The wheel, built from the source distribution and installed where the repository isn't: it is complete, and `cairn` works from any folder.

The environment takes the dependencies from the tests' own, by a path: what is installed is the wheel alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import __version__
from tests.running import ROOT, Running, start

pytestmark = pytest.mark.slow

SECONDS = 300
BUNDLED = ("alembic.ini", "config", "examples", "migrations")
FOREIGN = "raise SystemExit('this is the app package of somebody else')"
BUILD = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv.pop())"


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and a folder from which its `cairn` is called: of a developer whose own code is named `app` too."""

    environment: Path
    work: Path

    @property
    def program(self) -> str:
        return str(self.environment / "bin" / "cairn")

    @property
    def shipped(self) -> Path:
        (found,) = self.environment.glob("lib/python*/site-packages/app/bundled")
        return found

    def cairn(self, *words: str, data: Path) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_") and name != "PYTHONPATH"}
        env = {**clean, "CAIRN_DATA_DIR": str(data), "COLUMNS": "200"}
        done = subprocess.run(
            [self.program, *words], cwd=self.work, env=env, input="", capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*paths: str) -> list[str]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", *paths, cwd=ROOT)
    return [each for each in listed.splitlines() if (ROOT / each).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from a source distribution, in a copy of the repository."""
    copy, made = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for each in tracked(":!tests", ":!docs"):
        (copy / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / each, copy / each)
    run(sys.executable, "-c", BUILD, made, cwd=copy)
    (archive,) = made.glob("*.tar.gz")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", made, archive, cwd=made)
    (built,) = made.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment, work = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("work")
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=work)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=work)
    (work / "app").mkdir()
    (work / "app" / "__init__.py").write_text(FOREIGN)
    return Installed(environment, work)


@pytest.fixture(scope="module")
def server(installed: Installed, short_folder: Path) -> Iterator[Running]:
    started = start(short_folder / "wheel", {"PYTHONPATH": ""}, program=[installed.program], cwd=installed.work)
    try:
        yield started
    finally:
        started.stop()


def test_the_wheel_has_every_file_of_the_code_and_what_ships_with_it(wheel: Path) -> None:
    packed = {each for each in zipfile.ZipFile(wheel).namelist() if each.startswith(("app/", "cairn/"))}
    code = set(tracked("app", "cairn"))
    shipped = {f"app/bundled/{each}" for each in tracked(*BUNDLED)}
    assert {"app/py.typed", "cairn/py.typed"} <= code
    assert packed == code | shipped


def test_the_command_is_the_wheels_and_tells_its_version(installed: Installed, tmp_path: Path) -> None:
    python = installed.environment / "bin" / "python"
    env = {"PATH": os.environ["PATH"]}
    asked = [python, "-P", "-c", "import app; print(app.__file__)"]
    told = subprocess.run(asked, cwd=installed.work, env=env, capture_output=True, text=True, check=True, timeout=SECONDS).stdout
    assert Path(told.strip()).is_relative_to(installed.environment)
    for words in (["--version"], ["version"]):
        assert installed.cairn(*words, data=tmp_path).stdout.strip() == __version__


def test_a_session_goes_in_and_is_found_in_a_folder_with_an_app_package_of_its_own(installed: Installed, server: Running) -> None:
    examples = installed.shipped / "examples" / "sessions"
    sent = installed.cairn("ingest", str(examples / "2026-11-03-double-charge.claude-code.jsonl"), "--project", "shop", data=server.folder)
    assert sent.returncode == 0, sent.stderr
    asked = installed.cairn("query", "why was the card charged twice?", "--json", data=server.folder)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["results"][0]["source"]["transcript"] == "2026-11-03-double-charge.claude-code.jsonl"


def test_the_schema_is_current_and_doctor_finds_nothing_failed(installed: Installed, server: Running) -> None:
    current = json.loads(installed.cairn("db", "current", "--json", data=server.folder).stdout)
    assert current["up_to_date"], current
    doctor = installed.cairn("doctor", "--json", data=server.folder)
    checks = {each["name"]: each for each in json.loads(doctor.stdout)["checks"]}
    failed = {name: each["detail"] for name, each in checks.items() if each["verdict"] == "failed" and not name.startswith("alert ")}
    assert failed == {}  # an alert is the busy machine's
    assert checks["settings"]["verdict"] == "ok"


def test_the_schema_is_made_without_a_server(installed: Installed, short_folder: Path) -> None:
    done = installed.cairn("db", "upgrade", "--json", data=short_folder / "empty")
    assert done.returncode == 0, done.stderr
    newest = max(each.name for each in (ROOT / "migrations" / "versions").glob("*.py"))
    assert newest.startswith(json.loads(done.stdout)["current"])
