"""What can't be used is renamed beside itself, kept for a while, bounded in number and age; and nothing else is touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import clock
from app.storage import aside
from app.storage.aside import MAX_AGE, MAX_KEPT, MIN_FREE_BYTES, ensure_file_slot, list_set_aside, make_folder, prune, set_aside


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The one element is the time; each look at it is a second later."""
    moment = [datetime(2026, 5, 1, 12, tzinfo=UTC)]

    def passed() -> datetime:
        moment[0] += timedelta(seconds=1)
        return moment[0]

    monkeypatch.setattr(clock, "now", passed)
    return moment


def made(path: Path, content: str = "x") -> Path:
    path.write_text(content)
    return path


def test_it_stands_beside_its_place_with_its_content(tmp_path: Path) -> None:
    moved = set_aside(made(tmp_path / "part", "content"), part="files", reason="a test")
    assert moved.parent == tmp_path
    assert moved.name.startswith("part.damaged-20")
    assert moved.read_text() == "content"
    assert not (tmp_path / "part").exists()


@pytest.mark.usefixtures("now")
def test_only_the_newest_are_kept_of_each_name(tmp_path: Path) -> None:
    others = [made(tmp_path / name) for name in ("other", "part.damaged-mine", "part.damaged-20260501T120000000000.txt")]
    another = set_aside(made(tmp_path / "another"), part="files", reason="a test")
    moved = [set_aside(made(tmp_path / "part"), part="files", reason="a test") for _ in range(MAX_KEPT + 3)]
    assert list_set_aside(tmp_path, "part") == moved[: -MAX_KEPT - 1 : -1]
    assert all(each.exists() for each in (*others, another))


def test_folders_too_go_when_they_are_old(tmp_path: Path, now: list[datetime]) -> None:
    make_folder(tmp_path / "part", part="files")
    made(tmp_path / "part" / "file")
    moved = set_aside(tmp_path / "part", part="files", reason="a test")
    now[0] += MAX_AGE - timedelta(minutes=1)
    prune(tmp_path, "part")
    assert moved.exists()
    now[0] += timedelta(minutes=2)
    prune(tmp_path, "part")
    assert not moved.exists()


def test_none_is_kept_where_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = MIN_FREE_BYTES
    monkeypatch.setattr(aside.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    earlier = set_aside(made(tmp_path / "part"), part="files", reason="a test")
    assert earlier.exists()
    free -= 1
    later = set_aside(made(tmp_path / "part"), part="files", reason="a test")
    assert not earlier.exists()
    assert not later.exists()


def test_two_at_the_same_moment_do_not_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: at)
    moved = [set_aside(made(tmp_path / "part", content), part="files", reason="a test") for content in ("first", "second")]
    assert [each.read_text() for each in moved] == ["first", "second"]


@pytest.mark.parametrize("kind", ["file", "link to nowhere"])
def test_a_folder_is_made_where_something_else_stood(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "part"
    made(place) if kind == "file" else place.symlink_to(tmp_path / "nowhere")
    make_folder(place, part="files")
    assert place.is_dir()
    assert len(list_set_aside(tmp_path, "part")) == 1


def test_a_folder_that_is_one_stays_and_so_does_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("real", "link"):
        make_folder(tmp_path / name, part="files")
    assert (tmp_path / "link").is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "real"]


def test_a_file_can_be_written_where_a_folder_stood_and_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    ensure_file_slot(tmp_path / "place", part="files").write_text("written")
    ensure_file_slot(tmp_path / "place", part="files")
    assert (tmp_path / "place").read_text() == "written"
    assert len(list_set_aside(tmp_path, "place")) == 1


def test_what_cannot_be_renamed_still_stands_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    place = made(tmp_path / "part")
    monkeypatch.setattr(aside.Path, "rename", refused)
    with pytest.raises(PermissionError):
        set_aside(place, part="files", reason="a test")
    assert place.exists()
