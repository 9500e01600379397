"""`cairn freshness` as a person runs it: a real server, a real git repository, and what it leaves on items, results and pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import ROOT, Running, running
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long

CART = "export function cartTotal(items) {\n  return items.length;\n}\n"


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "fresh") as started:
        yield started


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "till"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "src/cart.ts", CART, seconds=-3600)
    return folder


def git(folder: Path, *words: str, at: float | None = None) -> str:
    said = {"NAME": "Eve", "EMAIL": "eve@example.org"} | ({} if at is None else {"DATE": f"{int(at)} +0000"})
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in said.items()}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **person}
    return subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, name: str, content: str | None, *, seconds: float = 1) -> str:
    """Change a file and commit it, dated so many seconds from now: git's times have no fractions, so one of this second may look earlier."""
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", f"Change {name}", at=time.time() + seconds)
    return git(folder, "rev-parse", "HEAD")


def checked(server: Running, repo: Path, *more: str) -> Any:
    done = cairn(server.folder, "freshness", "--repo", str(repo), "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def remember(server: Running, project: str, text: str, *more: str) -> str:
    done = cairn(server.folder, "remember", text, "--project", project, "--json", *more)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def test_what_changed_since_is_marked_everywhere(server: Running, repo: Path) -> None:
    item = remember(server, "till", "`cartTotal` counts the items of the cart, not their prices")
    other = remember(server, "till", "Take a look at the drawer before closing")
    first = checked(server, repo)
    assert (first["project"], first["counts"], first["stored"]) == ("till", {"fresh": 1, "unverifiable": 1}, 2)
    changed = commit(repo, "src/cart.ts", CART.replace("items.length", "items.sum()"))
    report = checked(server, repo)
    (told,) = [each for each in report["items"] if each["id"] == item]
    assert (told["verdict"], told["commit"], told["path"]) == ("changed", changed, "src/cart.ts")
    assert (report["stored"], checked(server, repo)["stored"]) == (1, 0)

    shown: Any = server.get(f"/v1/knowledge/{item}")
    (mark,) = shown["code"]
    assert (shown["freshness"], mark["verdict"], mark["symbol"], mark["commit"]) == ("changed", "changed", "cartTotal", changed)
    assert server.get(f"/v1/knowledge/{other}")["freshness"] == "unverifiable"
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := server.knowledge("does cartTotal count prices?", project="till", kinds=["item"], explain=True, limit=1)):
        assert time.monotonic() < until, "the worker never fed the index"
    (result,) = found
    assert (result["id"], result["freshness"]) == (item, "changed")
    assert result["explain"]["code_factor"] == 0.97  # type: ignore[index]
    assert "its code changed since" in cairn(server.folder, "query", "does cartTotal count prices?", "--project", "till").stdout
    listed: Any = server.get("/v1/knowledge?project=till&state=changed")
    assert [each["id"] for each in listed["items"]] == [item]


def test_it_prints_what_changed_and_what_to_do(server: Running, repo: Path) -> None:
    item = remember(server, "till-printed", "The cart is added up in src/cart.ts", "--path", "src/cart.ts")
    gone = commit(repo, "src/cart.ts", None)
    done = cairn(server.folder, "freshness", "--repo", str(repo), "--project", "till-printed")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "1 items of till-printed checked against" in words
    assert f"src/cart.ts is gone with commit {gone[:10]}" in words
    assert item in words
    assert "Stored: 1 verdicts" in words


def test_verdicts_of_another_branch_are_not_stored_unless_asked_for(server: Running, repo: Path, tmp_path: Path) -> None:
    item = remember(server, "branched", "`cartTotal` counts the items of the cart")
    git(tmp_path, "clone", "--quiet", str(repo), "clone")
    clone = tmp_path / "clone"
    git(clone, "checkout", "--quiet", "-b", "next")
    commit(clone, "src/cart.ts", CART.replace("length", "size"))
    report = checked(server, clone, "--project", "branched")
    assert (report["counts"], report["stores"]) == ({"changed": 1}, False)
    assert server.get(f"/v1/knowledge/{item}")["code"] == []
    said = cairn(server.folder, "freshness", "--repo", str(clone), "--project", "branched").stdout
    assert "Store them: --send" in " ".join(said.split())
    assert checked(server, clone, "--project", "branched", "--ref", "main")["stored"] == 1
    assert checked(server, clone, "--project", "branched", "--send")["stored"] == 1


def test_where_the_remotes_default_branch_is_unknown_nothing_is_stored_unless_asked_for(
    server: Running, repo: Path, tmp_path: Path
) -> None:
    item = remember(server, "built", "`cartTotal` counts the items of the cart")
    clone = tmp_path / "build"
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch", "main")
    git(clone, "remote", "add", "origin", str(repo))
    git(clone, "fetch", "--quiet", "origin", "main")
    git(clone, "checkout", "--quiet", "FETCH_HEAD")
    report = checked(server, clone, "--project", "built")
    assert (report["counts"], report["stores"]) == ({"fresh": 1}, False)
    assert server.get(f"/v1/knowledge/{item}")["code"] == []
    assert checked(server, clone, "--project", "built", "--send")["stored"] == 1


def test_an_old_clone_does_not_replace_the_marks_of_newer_code(server: Running, repo: Path, tmp_path: Path) -> None:
    item = remember(server, "aged", "`cartTotal` in src/cart.ts counts the items")
    git(tmp_path, "clone", "--quiet", str(repo), "old")
    sleep(1.1)  # git's times are whole seconds: what is removed in the second in which it was said isn't a change since
    gone = commit(repo, "src/cart.ts", None)
    for folder in (repo, tmp_path / "old"):
        git(folder, "config", "remote.origin.url", "https://git.example.org/acme/aged.git")
    assert checked(server, repo, "--project", "aged", "--send")["counts"] == {"gone": 1}
    report = checked(server, tmp_path / "old", "--project", "aged", "--send")
    assert (report["counts"], report["stored"], report["older"]) == ({"fresh": 1}, 0, 1)
    (mark,) = server.get(f"/v1/knowledge/{item}")["code"]
    assert (mark["verdict"], mark["commit"]) == ("gone", gone)
    said = cairn(server.folder, "freshness", "--repo", str(tmp_path / "old"), "--project", "aged", "--send").stdout
    assert "1 were not, since the server's are of a newer commit: pull" in " ".join(said.split())


def test_files_below_a_private_folder_are_as_if_they_were_not_there(server: Running, repo: Path) -> None:
    commit(repo, "secret/key.ts", "export function keyOfTheVault(a) {\n  return a;\n}\n")
    item = remember(server, "vault", "`keyOfTheVault` in secret/key.ts opens it")
    assert checked(server, repo, "--project", "vault", "--no-send")["counts"] == {"fresh": 1}
    (repo / "secret" / ".cairn.toml").write_text("private = true\n")
    report = checked(server, repo, "--project", "vault")
    assert report["counts"] == {"unverifiable": 1}
    (mark,) = server.get(f"/v1/knowledge/{item}")["code"]
    assert (mark["path"], mark["commit"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--repo", "{tmp}/none"], "There is no folder"),
        (["--repo", "{tmp}"], "is not in a git repository"),
        (["--repo", "{repo}", "--project", "no-such-project"], "There is no project 'no-such-project'"),
        (["--repo", "{repo}", "--project", "till", "--ref", "nowhere"], "has no commit 'nowhere'"),
    ],
)
def test_what_can_not_be_checked_says_why(server: Running, repo: Path, tmp_path: Path, words: list[str], said: str) -> None:
    remember(server, "till", "Take a look at the drawer before closing")
    done = cairn(server.folder, "freshness", *(each.format(tmp=tmp_path, repo=repo) for each in words))
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())


def test_a_private_folder_is_not_checked(server: Running, repo: Path) -> None:
    (repo / ".cairn.toml").write_text("private = true\n")
    done = cairn(server.folder, "freshness", "--repo", str(repo), "--project", "till")
    assert done.returncode != 0
    assert "Nothing of this repository may leave the machine" in " ".join(done.stderr.split())


def test_without_tree_sitter_it_says_what_to_install(server: Running, repo: Path) -> None:
    code = "import sys; sys.modules['tree_sitter'] = None\nfrom importlib import util\nfind = util.find_spec\nutil.find_spec = lambda name, package=None: None if name == 'tree_sitter' else find(name, package)\nfrom app.cli import main\nsys.argv[0] = 'cairn'\nmain()"
    words = [sys.executable, "-c", code, "freshness", "--repo", str(repo)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "pip install '.[freshness]'" in done.stderr
