"""Items checked against real repositories: what changed since they were said, what is gone, and what can't be told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import InvalidInput, NotFound
from app.freshness import checking, digests, git
from app.freshness.git import Repository
from app.freshness.symbols import MAX_PARSED_BYTES, MAX_SYMBOLS
from tests.integration.freshness.conftest import Repo

POOL = "class Pool:\n    def acquire(self, n):\n        return n + 1\n\n    def release(self):\n        return 0\n"
CHANGED = POOL.replace("n + 1", "n + 2")
FORMATTED = (
    POOL.replace("self, n):", "\n        self,\n        n,\n    ):  # one more")
    .replace("n + 1", "(n\n            + 1)")
    .replace("(n\n            + 1)", "n + 1")
)


def test_a_symbol_is_changed_only_by_a_commit_that_changes_it(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL, "readme.md": "Shop"})
    item, other = repo.said("`Pool.acquire` gives one more"), repo.said("`Pool.release` gives none")
    repo.commit({"src/pool.py": FORMATTED})
    assert [each.verdict for each in repo.check(item, other)] == ["fresh", "fresh"]
    commit = repo.commit({"src/pool.py": CHANGED})
    repo.commit({"readme.md": "Shop!"})
    changed, fresh = repo.check(item, other)
    assert (changed.verdict, changed.commit, changed.path, changed.symbol) == ("changed", commit, "src/pool.py", "Pool.acquire")
    assert fresh.verdict == "fresh"


def test_what_a_person_named_in_paths_counts_as_a_file(repo: Repo) -> None:
    repo.commit({"deploy/app.yaml": "replicas: 3\n", "other.txt": "x"})
    item = repo.said("Three replicas are enough", "deploy/app.yaml")
    repo.commit({"deploy/app.yaml": "\nreplicas:   3\n"})
    assert repo.check(item)[0].verdict == "fresh"
    commit = repo.commit({"deploy/app.yaml": "replicas: 5\n"})
    found = repo.check(item)[0]
    assert (found.verdict, found.commit, found.path) == ("changed", commit, "deploy/app.yaml")


def test_what_is_said_before_it_is_committed_is_compared_with_its_first_commit(repo: Repo) -> None:
    repo.commit({"readme.md": "x"})
    item = repo.said("`acquire_slot` in src/slots.py waits")
    repo.commit({"src/slots.py": "def acquire_slot():\n    wait()\n"})
    assert repo.check(item)[0].verdict == "fresh"
    repo.commit({"src/slots.py": "def acquire_slot():\n    fail()\n"})
    assert repo.check(item)[0].verdict == "changed"


def test_a_removed_symbol_and_a_deleted_file_are_gone_with_the_commit(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL + "\ndef free_all():\n    pass\n", "old.go": "package a\n"})
    named, anywhere, file = repo.said("`free_all` in src/pool.py"), repo.said("free_all() frees them"), repo.said("see old.go")
    commit = repo.commit({"src/pool.py": POOL, "old.go": None})
    assert [(each.verdict, each.commit) for each in repo.check(named, anywhere, file)] == [
        ("gone", commit),
        ("gone", commit),
        ("gone", commit),
    ]


def test_a_symbol_named_without_its_file_is_gone_when_a_commit_removed_it(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL + "\ndef free_all():\n    pass\n"})
    item, later = repo.said("`free_all` frees them"), repo.said("`free_all` frees them", day=9)
    commit = repo.commit({"src/pool.py": POOL})
    repo.commit({"readme.md": "x"})
    found, unknown = repo.check(item, later)
    assert (found.verdict, found.commit, found.path, found.symbol) == ("gone", commit, "src/pool.py", "free_all")
    assert unknown.verdict == "unverifiable"


def test_a_renamed_file_is_fresh_and_says_where_it_is(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` in src/pool.py"), repo.said("see src/pool.py")
    repo.git("mv", "src/pool.py", "pools.py")
    repo.commit({})
    for found in repo.check(*item):
        assert (found.verdict, found.path) == ("fresh", "pools.py")
    assert repo.check(item[1])[0].former_path == "src/pool.py"


def test_a_symbol_that_moved_to_another_file_is_followed(repo: Repo) -> None:
    repo.commit({"src/a.py": "def settle_all():\n    return 1\n\ndef b():\n    return 2\n"})
    item = repo.said("`settle_all` in src/a.py")
    repo.commit({"src/a.py": "def b():\n    return 2\n", "src/c.py": "def settle_all():\n    return 1\n"})
    found = repo.check(item)[0]
    assert found.symbol == "settle_all"
    assert (found.path, found.former_path) == ("src/c.py", "src/a.py")


def test_a_name_in_many_files_needs_its_file(repo: Repo) -> None:
    repo.commit({f"src/m{n}.py": f"def load_all():\n    return {n}\n" for n in range(10)})
    alone, named = repo.said("`load_all` reads"), repo.said("`load_all` in src/m3.py reads")
    repo.commit({"src/m3.py": "def load_all():\n    return 99\n"})
    first, second = repo.check(alone, named)
    assert (first.verdict, first.reason) == ("unverifiable", "ambiguous")
    assert (second.verdict, second.path) == ("changed", "src/m3.py")


def test_an_item_that_names_nothing_of_the_repository_is_unverifiable(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL})
    nothing, elsewhere = repo.check(repo.said("We chose NATS over Kafka"), repo.said("`Other.thing_done` in lib/other.py"))
    assert [(each.verdict, each.reason) for each in (nothing, elsewhere)] == [
        ("unverifiable", "names_nothing"),
        ("unverifiable", "not_found"),
    ]


def test_a_change_that_was_reverted_is_fresh(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    repo.commit({"src/pool.py": POOL})
    assert repo.check(item)[0].verdict == "fresh"


def test_what_a_session_on_a_branch_did_before_is_no_change_when_it_is_merged(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL, "readme.md": "x"})
    repo.git("checkout", "--quiet", "-b", "fix")
    repo.commit({"src/pool.py": CHANGED})
    item = repo.said("`Pool.acquire` gives two more")
    repo.git("checkout", "--quiet", "main")
    repo.commit({"readme.md": "y"})
    repo.git("merge", "--quiet", "--no-ff", "--no-edit", "fix")
    assert repo.check(item)[0].verdict == "fresh"


def test_another_branch_is_checked_by_its_name(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.git("checkout", "--quiet", "-b", "next")
    repo.commit({"src/pool.py": CHANGED})
    repo.git("checkout", "--quiet", "main")
    assert [repo.check(item, ref=ref)[0].verdict for ref in ("HEAD", "next")] == ["fresh", "changed"]


@pytest.mark.parametrize("ref", ["nowhere", "--output=/tmp/x", ""])
def test_an_unknown_branch_is_refused(repo: Repo, ref: str) -> None:
    repo.commit({"a.py": "x = 1\n"})
    with pytest.raises(InvalidInput, match="has no commit"):
        repo.check(repo.said("x"), ref=ref)


def test_a_repository_without_a_commit_and_a_folder_without_a_repository_are_refused(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Make a first commit"):
        repo.check(repo.said("x"))
    with pytest.raises(NotFound, match="not in a git repository"):
        Repository.open(tmp_path)
    with pytest.raises(NotFound, match="There is no folder"):
        Repository.open(tmp_path / "none")


def test_a_bare_repository_is_read_as_well(repo: Repo, make_repo: Callable[[str], Repo]) -> None:
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    repo.git("clone", "--quiet", "--bare", str(repo.folder), str(repo.folder.parent / "bare"))
    assert Repo(repo.folder.parent / "bare", repo.day).check(item)[0].verdict == "changed"


def test_a_shallow_clone_says_that_it_lacks_the_history(repo: Repo) -> None:
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    repo.commit({"readme.md": "x"})
    late = repo.said("`Pool.acquire` gives two more")
    repo.git("clone", "--quiet", "--depth", "1", f"file://{repo.folder}", str(repo.folder.parent / "shallow"))
    found, known = Repo(repo.folder.parent / "shallow", repo.day).check(item, late)
    assert (found.verdict, found.reason) == ("unverifiable", "history_missing")
    assert known.verdict == "fresh"


def test_a_shallow_clone_that_got_its_history_meanwhile_is_read_anew(repo: Repo, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    changed = repo.commit({"src/pool.py": CHANGED})
    repo.commit({"readme.md": "x"})
    repo.git("clone", "--quiet", "--depth", "1", f"file://{repo.folder}", str(repo.folder.parent / "shallow"))
    clone = Repo(repo.folder.parent / "shallow", repo.day)
    assert clone.check(item, kept=kept)[0].reason == "history_missing"
    clone.git("fetch", "--quiet", "--unshallow")
    for _ in range(2):
        found = clone.check(item, kept=kept)[0]
        assert (found.verdict, found.commit) == ("changed", changed)


@pytest.mark.parametrize("deepened", [1, 2, 9])
def test_a_shallow_clone_that_got_more_of_its_history_tells_what_it_can(repo: Repo, tmp_path: Path, deepened: int) -> None:
    kept = tmp_path / "kept.json"
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    repo.commit({"readme.md": "x"})
    repo.git("clone", "--quiet", "--depth", "1", f"file://{repo.folder}", str(repo.folder.parent / "shallow"))
    clone = Repo(repo.folder.parent / "shallow", repo.day)
    clone.check(item, kept=kept)
    clone.git("fetch", "--quiet", f"--deepen={deepened}")
    assert clone.check(item, kept=kept) == clone.check(item)
    assert clone.check(item, kept=kept)[0].verdict == ("unverifiable" if deepened == 1 else "changed")


def test_with_more_commits_than_are_read_the_older_ones_are_missing(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (git, digests):
        monkeypatch.setattr(module, "MAX_COMMITS", 2)
    kept = tmp_path / "kept.json"
    repo.commit({"src/pool.py": POOL})
    items = [repo.said("`Pool.acquire` gives one more")]
    for n in range(4):
        repo.commit({"readme.md": f"{n}"})
        items.append(repo.said("`Pool.acquire` gives one more"))
        found = repo.check(*items, kept=kept)
        assert found == repo.check(*items)
        assert [each.verdict for each in found] == ["unverifiable"] * n + ["fresh"] * 2


def test_submodules_links_and_binary_files_are_no_source(repo: Repo, make_repo: Callable[[str], Repo]) -> None:
    inner = make_repo("inner")
    inner.commit({"lib.py": "def inner_thing():\n    pass\n"})
    repo.commit({"logo.png": b"\x89PNG\0\x01", "a.py": "x = 1\n"})
    (repo.folder / "link.py").symlink_to("a.py")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "vendor/inner")
    repo.commit({})
    picture, inside, link = repo.said("see assets in logo.png"), repo.said("`inner_thing` in vendor/inner/lib.py"), repo.said("see link.py")
    commit = repo.commit({"logo.png": b"\x89PNG\0\x02"})
    found = repo.check(picture, inside, link)
    assert [each.verdict for each in found] == ["changed", "unverifiable", "unverifiable"]
    assert found[0].commit == commit


UNREAD = [CHANGED + "#" * MAX_PARSED_BYTES, POOL.encode("utf-16"), POOL + "".join(f"A{n} = 1\n" for n in range(MAX_SYMBOLS))]


@pytest.mark.parametrize("content", UNREAD, ids=["long", "UTF-16", "many symbols"])
def test_what_is_no_more_read_is_not_gone(repo: Repo, content: str | bytes) -> None:
    repo.commit({"src/pool.py": POOL})
    named, alone = repo.said("`Pool.acquire` in src/pool.py"), repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": content})
    assert [each.verdict for each in repo.check(named, alone)] == ["changed", "unverifiable"]
    repo.commit({"src/pool.py": POOL})
    assert [each.verdict for each in repo.check(named, alone)] == ["fresh", "unverifiable"]


@pytest.mark.parametrize("content", UNREAD, ids=["long", "UTF-16", "many symbols"])
def test_what_may_have_moved_to_a_file_that_is_not_read_is_not_gone(repo: Repo, content: str | bytes) -> None:
    repo.commit({"src/a.py": POOL, "src/b.py": "x = 1\n", "src/old.py": content})
    named, alone = repo.said("`Pool.acquire` in src/a.py"), repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/a.py": "x = 1\n"})
    assert [each.verdict for each in repo.check(named, alone)] == ["gone", "gone"]
    repo.commit({"src/c.py": content})
    found = repo.check(named, alone)
    assert [each.verdict for each in found] == ["changed", "unverifiable"]
    assert found[1].reason == "unreadable"


def test_what_could_not_be_read_once_is_read_the_next_time(repo: Repo, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    repo.commit({"src/pool.py": POOL})
    named, alone = repo.said("`Pool.acquire` in src/pool.py"), repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": FORMATTED})
    blob = repo.git("rev-parse", "HEAD:src/pool.py")
    content = repo.folder / ".git" / "objects" / blob[:2] / blob[2:]
    content.rename(tmp_path / "away")
    first = repo.check(named, alone, kept=kept)
    assert [each.verdict for each in first] == ["unverifiable", "unverifiable"]
    assert first[0].reason == "unreadable"
    (tmp_path / "away").rename(content)
    assert [each.verdict for each in repo.check(named, alone, kept=kept)] == ["fresh", "fresh"]


def test_a_method_with_a_mark_is_told_from_the_one_without(repo: Repo) -> None:
    repo.commit(
        {"order.rb": "class Order\n def save!\n  1\n end\n def save\n  1\n end\nend\n", "lib.rs": "macro_rules! log_all { () => {} }\n"}
    )
    marked, plain, macro = repo.said("`Order.save!` raises"), repo.said("`Order.save` does not"), repo.said("`log_all!` logs")
    repo.commit({"order.rb": "class Order\n def save!\n  2\n end\n def save\n  1\n end\nend\n"})
    assert [each.verdict for each in repo.check(marked, plain, macro)] == ["changed", "fresh", "fresh"]


def test_a_file_whose_name_is_no_utf_8_is_left_out(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"src/\udcff.py": "def odd_name():\n    pass\n", "src/pool.py": POOL})
    items = repo.said("`odd_name` gives one"), repo.said("`Pool.acquire` gives one more"), repo.said("see src/pool.py")
    repo.git("mv", "src/pool.py", "src/\udcfe.py")
    repo.commit({})
    repo.commit({"src/pool.py": CHANGED})
    for _ in range(2):
        found = repo.check(*items, kept=tmp_path / "kept.json")
        assert [each.verdict for each in found] == ["unverifiable", "fresh", "fresh"]
        assert repr(found).encode()


@pytest.mark.parametrize("name", ["naïve ü.py", "a b/c d.py", "tab\tname.py", "new\nline.py", "\x01a.py", "a\x01.py", ":100644 a.py"])
def test_names_with_odd_characters_are_read(repo: Repo, name: str) -> None:
    repo.commit({name: "def odd_name():\n    return 1\n"})
    item = repo.said("`odd_name` gives one")
    repo.commit({name: "def odd_name():\n    return 2\n"})
    found = repo.check(item)[0]
    assert (found.verdict, found.path) == ("changed", name)


def test_a_second_run_reads_only_what_is_new_and_says_the_same(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "state" / "kept.json"
    repo.commit({f"src/m{n}.py": f"def load_{n}_all():\n    return {n}\n" for n in range(20)})
    items = [repo.said(f"`load_{n}_all` reads") for n in range(20)]
    assert {each.verdict for each in repo.check(*items, kept=kept)} == {"fresh"}
    commit = repo.commit({"src/m7.py": "def load_7_all():\n    return 99\n"})
    read: list[str] = []
    compute = digests.digest_file
    monkeypatch.setattr(digests, "digest_file", lambda path, content, *, blob: (read.append(path), compute(path, content, blob=blob))[1])
    found = repo.check(*items, kept=kept)
    assert read == ["src/m7.py"]
    assert [(each.symbol, each.commit) for each in found if each.verdict == "changed"] == [("load_7_all", commit)]
    assert found == repo.check(*items) == repo.check(*items, kept=kept)


@pytest.mark.parametrize("content", ["", "{", '{"version": 0}', '{"version": 1}', "[]", '{"version": 1, "digests": {"a": 1}}'])
def test_a_broken_file_of_digests_is_made_anew(repo: Repo, tmp_path: Path, content: str) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(content)
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    assert [repo.check(item, kept=kept)[0].verdict for _ in range(2)] == ["changed", "changed"]


def test_a_rewritten_history_is_read_anew(repo: Repo, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    repo.commit({"src/pool.py": POOL})
    item = repo.said("`Pool.acquire` gives one more")
    repo.commit({"src/pool.py": CHANGED})
    assert repo.check(item, kept=kept)[0].verdict == "changed"
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.commit({"readme.md": "x"})
    assert repo.check(item, kept=kept)[0].verdict == "fresh"


def test_a_huge_repository_is_not_searched_for_names_without_a_file(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_INDEXED_FILES", 1)
    repo.commit({"src/pool.py": POOL, "src/b.py": "x = 1\n"})
    alone, named = repo.check(repo.said("`Pool.acquire` gives"), repo.said("`Pool.acquire` in src/pool.py gives"))
    assert [each.verdict for each in (alone, named)] == ["unverifiable", "fresh"]


def test_what_left_its_file_in_a_huge_repository_is_not_called_gone(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({"src/pool.py": POOL + "\ndef free_all():\n    pass\n", "src/b.py": "x = 1\n"})
    alone, named = repo.said("`free_all` frees them"), repo.said("`free_all` in src/pool.py frees them")
    repo.commit({"src/pool.py": POOL})
    assert [each.verdict for each in repo.check(alone, named)] == ["gone", "gone"]
    monkeypatch.setattr(checking, "MAX_INDEXED_FILES", 1)
    assert [each.verdict for each in repo.check(alone, named)] == ["unverifiable", "changed"]


def test_nothing_to_check_is_no_error(repo: Repo) -> None:
    repo.commit({"a.py": "x = 1\n"})
    assert repo.check() == []


def test_what_a_killed_run_left_is_removed_by_a_later_one(repo: Repo, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "kept.json"
    kept.parent.mkdir()
    old, running, other = (kept.parent / name for name in ("kept.a1.part", "kept.b2.part", "till.c3.part"))
    for each in (old, running, other):
        each.write_text("{")
    for each in (old, other):
        os.utime(each, (0, 0))
    repo.commit({"a.py": "def acquire_one():\n    return 1\n"})
    repo.check(repo.said("`acquire_one` gives one"), kept=kept)
    assert sorted(each.name for each in kept.parent.iterdir()) == ["kept.b2.part", "kept.json", "till.c3.part"]
