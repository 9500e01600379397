"""Real git repositories in a scratch folder, whose commits have the dates that a test gives them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.freshness.checking import CheckedItem, check_items
from app.freshness.git import Repository
from app.freshness.verdicts import CodeFinding

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class Repo:
    """A repository that commits a day later each time."""

    folder: Path
    day: int = 0

    @classmethod
    def begun(cls, folder: Path, files: dict[str, str | bytes | None]) -> Repo:
        """Make a folder that is a repository with one commit on `main`."""
        folder.mkdir()
        repo = cls(folder)
        repo.git("init", "--quiet", "--initial-branch", "main")
        repo.commit(files)
        return repo

    def git(self, *words: str) -> str:
        at = (BEGIN + timedelta(days=self.day)).isoformat()
        person = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Eve"), ("EMAIL", "eve@example.org"), ("DATE", at))
        }
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **person}
        return subprocess.run(["git", *words], cwd=self.folder, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, files: dict[str, str | bytes | None]) -> str:
        """Write files (None: delete it) and commit them; returns the commit's id."""
        self.day += 1
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Change {', '.join(files)}")
        return self.git("rev-parse", "HEAD")

    def said(self, words: str, *paths: str, day: int | None = None) -> CheckedItem:
        """An item, said half a day after the commit of that day; default: the last one."""
        moment = BEGIN + timedelta(days=self.day if day is None else day, hours=12)
        return CheckedItem(uuid4(), words, paths, moment)

    def check(self, *items: CheckedItem, kept: Path | None = None, ref: str = "HEAD") -> list[CodeFinding]:
        result = check_items(Repository.open(self.folder), items, ref=ref, kept=kept)
        assert [each for each, _ in result.findings] == [each.id for each in items]
        return [finding for _, finding in result.findings]


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[[str], Repo]:
    def make(name: str) -> Repo:
        folder = tmp_path / name
        folder.mkdir()
        repo = Repo(folder)
        repo.git("init", "--quiet", "--initial-branch", "main")
        return repo

    return make


@pytest.fixture
def repo(make_repo: Callable[[str], Repo]) -> Repo:
    return make_repo("shop")
