"""A folder of items: which files are read, what the others are told, and how new ones are called."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from app.cli.knowledge.documents import MAX_BYTES, digest, write
from app.cli.knowledge.folder import find_files, is_unchanged, new_path, open_folder, replace_file, slug
from app.errors import InvalidInput
from tests.unit.cli.knowledge.items import item


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("Chose NATS/JetStream over Kafka!", "chose-nats-jetstream-over-kafka"),
        ("../../etc/passwd", "etc-passwd"),
        ("`__init__`: why", "init-why"),
        ("Müller’s Straße", "müller-s-straße"),
        ("决定使用 NATS", "决定使用-nats"),
        ("?!", "item"),
        ("", "item"),
        ("word " * 40, "word-word-word-word-word-word-word-word-word-word-word-word"),
        ("決" * 100, "決" * 40),
    ],
)
def test_names_are_made_of_titles(title: str, wanted: str) -> None:
    assert slug(title) == wanted


def test_names_are_unique_in_the_folder(tmp_path: Path) -> None:
    item_id = "0b41f1f0-6a1c-4f0e-9d6f-0d9b6f3f8f10"
    names = []
    for _ in range(3):
        path = new_path(tmp_path, "A title", item_id)
        path.write_bytes(b"")
        names.append(path.name)
    assert names == ["a-title-0b41f1f0.md", "a-title-0b41f1f0-6a1c.md", f"a-title-{item_id}.md"]
    with pytest.raises(InvalidInput, match="move it away"):
        new_path(tmp_path, "A title", item_id)


def test_every_markdown_file_is_found_and_what_can_not_be_one_says_why(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for each in (folder / "deep" / "er", folder / ".git", outside):
        each.mkdir(parents=True)
    (folder / "deep" / "er" / "a.md").write_bytes(write(item()))
    (folder / "README.md").write_text("# What this folder is\n")
    (folder / "notes.txt").write_text("no item")
    (folder / ".git" / "hidden.md").write_text("---\n")
    (folder / "big.md").write_bytes(b"x" * (MAX_BYTES + 1))
    (folder / "binary.md").write_bytes(b"\x00\x01")
    (folder / "bad.md").write_text("---\nno key\n---\n")
    (folder / "odd.md").mkdir()
    (outside / "secret.md").write_text("---\ntype: gotcha\n---\nsecret")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "away").symlink_to(outside)
    found = {each.name: each for each in find_files(folder)}
    assert list(found) == ["README.md", "away", "bad.md", "big.md", "binary.md", "link.md", "deep/er/a.md"]
    assert found["README.md"].document is None is found["README.md"].problem
    assert found["deep/er/a.md"].document is not None
    for name, says in {
        "away": "symbolic link",
        "link.md": "symbolic link",
        "big.md": "bytes",
        "binary.md": "binary",
        "bad.md": "line 2",
    }.items():
        assert re.search(says, found[name].problem or ""), name


def test_a_name_that_is_no_text_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.md")).write_text("words")
    (found,) = find_files(tmp_path)
    assert found.name == "bad\ufffd.md"


def test_a_folder_that_is_none_is_named_and_one_is_made_where_it_may(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, create in (
        (tmp_path / "missing", False),
        (tmp_path / "file", False),
        (tmp_path / "file", True),
        (tmp_path / "file" / "x", True),
    ):
        with pytest.raises(InvalidInput, match=str(path)):
            open_folder(path, create=create)
    assert open_folder(tmp_path / "new" / "er", create=True).is_dir()


def test_a_link_in_the_place_of_the_file_that_is_being_written_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, path = tmp_path / "outside.txt", tmp_path / "a.md"
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    for target, before in ((outside, b"theirs"), (tmp_path / "missing.txt", None)):
        if before is not None:
            target.write_bytes(before)
        (tmp_path / f".a.md.{'0' * 16}.part").symlink_to(target)
        with pytest.raises(InvalidInput, match="can't be written"):
            replace_file(path, b"ours")
        assert (target.read_bytes() if target.exists() else None, path.exists()) == (before, False)
    replace_file(path, b"ours")
    assert path.read_bytes() == b"ours"


def test_a_file_is_replaced_whole_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    outside, path = tmp_path / "outside.txt", tmp_path / "a.md"
    outside.write_bytes(b"theirs")
    path.symlink_to(outside)
    assert not is_unchanged(path, digest(b"theirs"))
    replace_file(path, b"ours")
    assert (outside.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"theirs", b"ours", False)
    assert is_unchanged(path, digest(b"ours"))
    assert not is_unchanged(path, digest(b"other"))
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
