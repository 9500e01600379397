"""Edits of a folder go back as corrections and new items; whatever can't be taken is said, and the rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.cli.exits import ServerRefused
from app.cli.knowledge import importing
from app.cli.knowledge.documents import write
from app.cli.knowledge.importing import FolderImport, ImportOutcome
from app.errors import Conflict, InvalidInput
from tests.unit.cli.knowledge.items import item


class Server:
    """A server with these items. `refuses`: its next answers to what is written. `cut`: its list of items has no end."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = {each["id"]: each for each in items}
        self.hidden: dict[str, dict[str, Any]] = {}
        self.refuses: list[ServerRefused] = []
        self.cut = False
        self.written: list[tuple[str, dict[str, Any], str | None]] = []

    async def lines(self, path: str, *, method: str) -> AsyncIterator[dict[str, Any]]:
        assert (method, path) == ("GET", "/v1/knowledge/export")
        for each in self.items.values():
            yield each
        if not self.cut:
            yield {"kind": "end"}

    async def get(self, path: str) -> dict[str, Any]:
        if (found := self.hidden.get(path.rpartition("/")[2])) is None:
            raise ServerRefused("There is no item", status=404, code="not_found")
        return found

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._refuse()
        self.written.append((path, dict(body), None))
        twin = next((each for each in self.items.values() if each["text"] == body["text"]), None)
        made = twin or item(**{"title": "made of its text", **body, "id": str(uuid4()), "evidence": []})
        return self.items.setdefault(made["id"], made)

    async def patch(self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str]) -> dict[str, Any]:
        self._refuse()
        self.written.append((path, dict(body), headers["if-match"]))
        item_id = path.rpartition("/")[2]
        self.items[item_id] = item(**{**self.items[item_id], **body})
        return self.items[item_id]

    def _refuse(self) -> None:
        if self.refuses:
            raise self.refuses.pop(0)


async def imported(server: Server, folder: Path, *, dry_run: bool = False) -> ImportOutcome:
    made = FolderImport(server, folder, project=lambda: "here", dry_run=dry_run)  # type: ignore[arg-type]
    await made.run(lambda done, of: None)
    return made.outcome


def put(folder: Path, name: str, made: dict[str, Any], *changes: tuple[bytes, bytes]) -> Path:
    content = write(made)
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    path = folder / name
    path.write_bytes(content)
    return path


async def test_what_nobody_edited_is_not_sent(tmp_path: Path) -> None:
    one, other = item(), item()
    put(tmp_path, "one.md", one)
    put(tmp_path, "other.md", other)
    server = Server(one, item(id=other["id"], text="Newer words."))
    outcome = await imported(server, tmp_path)
    assert (outcome.unchanged, outcome.outdated, server.written, outcome.problems) == (1, 1, [], {})


async def test_an_edit_is_a_correction_of_the_revision_that_the_file_has_and_its_file_goes_on_from_there(tmp_path: Path) -> None:
    one = item()
    path = put(tmp_path, "renamed by hand.md", one, (b"at three", b"at four"))
    server = Server(one)
    assert (await imported(server, tmp_path)).corrected == ["renamed by hand.md"]
    text = one["text"].replace("three", "four")
    assert server.written == [(f"/v1/knowledge/{one['id']}", {"text": text}, f'"{one["revision"]}"')]
    assert path.read_bytes() == write(server.items[one["id"]])
    assert (await imported(server, tmp_path)).unchanged == 1
    path.write_bytes(path.read_bytes().replace(b"at four", b"at five"))
    assert (await imported(server, tmp_path)).corrected == ["renamed by hand.md"]


async def test_what_the_server_stored_stands_in_the_file_then_without_its_secret(tmp_path: Path) -> None:
    one = item()
    path = put(tmp_path, "one.md", one, (b"at three", b"at three, password hunter2"))
    server = Server(one)
    patch = server.patch

    async def redacting(path: str, body: Mapping[str, Any], *, headers: Mapping[str, str]) -> dict[str, Any]:
        return await patch(path, {**body, "text": body["text"].replace("hunter2", "[REDACTED:password]")}, headers=headers)

    server.patch = redacting  # type: ignore[method-assign]
    await imported(server, tmp_path)
    assert b"hunter2" not in path.read_bytes()
    assert b"[REDACTED:password]" in path.read_bytes()


async def test_a_file_without_an_id_is_a_new_item_and_has_one_then(tmp_path: Path) -> None:
    path = tmp_path / "new.md"
    path.write_text("---\ntype: tool_usage\npaths: [a.py]\n---\nUse pnpm here.\n")
    (tmp_path / "other.md").write_text("---\nproject: till\ntitle: A title\n---\n\nTill words.\n")
    (tmp_path / "README.md").write_text("About this folder\n")
    server = Server()
    outcome = await imported(server, tmp_path)
    assert (sorted(outcome.recorded), outcome.ignored, outcome.problems) == (["new.md", "other.md"], ["README.md"], {})
    bodies = sorted((body for _, body, _ in server.written), key=lambda body: str(body["project"]))
    assert bodies == [
        {"type": "tool_usage", "text": "Use pnpm here.", "project": "here", "paths": ["a.py"]},
        {"type": "gotcha", "title": "A title", "text": "Till words.", "project": "till", "paths": []},
    ]
    assert path.read_bytes() == write(next(each for each in server.items.values() if each["project"] == "here"))
    again = await imported(server, tmp_path)
    assert (again.unchanged, again.recorded, len(server.written)) == (2, [], 2)


async def test_a_new_file_with_the_words_of_an_item_that_has_a_file_is_named(tmp_path: Path) -> None:
    one = item()
    put(tmp_path, "one.md", one)
    (tmp_path / "twin.md").write_text(f"---\ntype: gotcha\n---\n{one['text']}\n")
    outcome = await imported(Server(one), tmp_path)
    assert "recorded already, as the item of one.md" in outcome.problems["twin.md"]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("title: My own title", "title"),
        ("type: tool_usage", "type"),
        ("paths: []", "paths"),
        ("title: My own title\npaths: [a.py, b.py]", "title, paths"),
    ],
)
async def test_a_new_file_whose_text_was_recorded_with_other_words_beside_it_is_left_and_named(
    tmp_path: Path, line: str, fields: str
) -> None:
    one, path = item(), tmp_path / "mine.md"
    path.write_text(f"---\n{line}\n---\n{one['text']}\n")
    before, server = path.read_bytes(), Server(one)
    outcome = await imported(server, tmp_path)
    assert (outcome.recorded, path.read_bytes()) == ([], before)
    assert f"recorded already, as item {one['id']}, which differs in: {fields}." in outcome.problems["mine.md"]
    path.write_text(f"---\n{line}\nid: {one['id']}\nrevision: {one['revision']}\n---\n{one['text']}\n")
    assert (await imported(server, tmp_path)).corrected == ["mine.md"], "as the message says"


async def test_a_new_file_whose_item_is_recorded_already_as_it_says_is_its_file(tmp_path: Path) -> None:
    one, path = item(), tmp_path / "mine.md"
    path.write_text(f"---\ntitle: '{one['title']} '\n---\n\n{one['text']}  \n")
    assert (await imported(Server(one), tmp_path)).recorded == ["mine.md"]
    assert path.read_bytes() == write(one)


async def test_a_secret_in_a_new_file_is_gone_from_it_however_often_it_is_imported(tmp_path: Path) -> None:
    one = item(title="Log in with [REDACTED:password] first", paths=["a.py"])
    path = tmp_path / "mine.md"
    path.write_text(f"---\ntitle: Log in with hunter2 first\npaths: [a.py, ' a.py']\n---\n{one['text']}\n")
    assert (await imported(Server(one), tmp_path)).recorded == ["mine.md"]
    assert b"hunter2" not in path.read_bytes()


async def test_a_dry_run_says_the_same_and_sends_and_writes_nothing(tmp_path: Path) -> None:
    one = item()
    put(tmp_path, "one.md", one, (b"at three", b"at four"))
    (tmp_path / "new.md").write_text("---\ntype: gotcha\n---\nwords\n")
    (tmp_path / "bad.md").write_text("---\ntype: wisdom\n---\nwords\n")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    server = Server(one)
    outcome = await imported(server, tmp_path, dry_run=True)
    assert (outcome.corrected, outcome.recorded, list(outcome.problems)) == (["one.md"], ["new.md"], ["bad.md"])
    assert ({each.name: each.read_bytes() for each in tmp_path.iterdir()}, server.written) == (before, [])


async def test_each_file_that_can_not_be_taken_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    good, stale, twice, gone = item(), item(), item(), item()
    put(tmp_path, "good.md", good, (b"at three", b"at four"))
    put(tmp_path, "conflict.md", stale, (b"at three", b"at four"))
    put(tmp_path, "gone.md", gone)
    for name in ("a.md", "b.md"):
        put(tmp_path, name, twice, (b"at three", b"at four"))
    (tmp_path / "bad.md").write_text("---\nid: nonsense\n---\n")
    server = Server(good, twice, item(id=stale["id"], text="Newer words."))
    outcome = await imported(server, tmp_path)
    assert outcome.corrected == ["good.md"]
    for name, says in {
        "conflict.md": "was changed since",
        "gone.md": "no item",
        "a.md": "same id",
        "b.md": "same id",
        "bad.md": "id",
    }.items():
        assert says in outcome.problems[name], name


async def test_an_item_that_lists_do_not_show_is_asked_for_by_its_id(tmp_path: Path) -> None:
    hidden, passage = item(hidden=True), item()
    put(tmp_path, "hidden.md", hidden)
    put(tmp_path, "passage.md", passage)
    server = Server()
    server.hidden = {hidden["id"]: hidden, passage["id"]: {"kind": "passage"}}
    outcome = await imported(server, tmp_path)
    assert (outcome.unchanged, list(outcome.problems)) == (1, ["passage.md"])


@pytest.mark.parametrize(
    ("status", "says"), [(412, "others changed the item at this moment"), (403, "Only its author"), (422, "Only its author")]
)
async def test_a_refusal_of_one_file_is_told_and_its_file_stays(tmp_path: Path, status: int, says: str) -> None:
    one, other = item(), item()
    paths = [put(tmp_path, name, made, (b"at three", b"at four")) for name, made in (("one.md", one), ("other.md", other))]
    before = [each.read_bytes() for each in paths]
    server = Server(one, other)
    server.refuses = [ServerRefused("Only its author, a lead or an admin can correct this item.", status=status, code="x")]
    outcome = await imported(server, tmp_path)
    (name,) = outcome.problems
    assert (says in outcome.problems[name], len(outcome.corrected)) == (True, 1)
    place = ["one.md", "other.md"].index(name)
    assert paths[place].read_bytes() == before[place]


async def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PAUSES", (0.0, 0.0))
    one = item()
    put(tmp_path, "one.md", one, (b"at three", b"at four"))
    server = Server(one)
    server.refuses = [ServerRefused("slower", status=status, code="rate_limited") for status in (429, 503)]
    assert (await imported(server, tmp_path)).corrected == ["one.md"]


async def test_a_server_that_stays_busy_ends_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PAUSES", (0.0,))
    one = item()
    path = put(tmp_path, "one.md", one, (b"at three", b"at four"))
    server = Server(one)
    server.refuses = [ServerRefused("Too many requests.", status=429, code="rate_limited")] * 2
    with pytest.raises(ServerRefused, match="Too many"):
        await imported(server, tmp_path)
    assert b"at four" in path.read_bytes()
    assert (await imported(server, tmp_path)).corrected == ["one.md"]


async def test_a_new_file_without_a_project_is_named_where_none_is_near(tmp_path: Path) -> None:
    (tmp_path / "nowhere.md").write_text("---\ntype: gotcha\n---\nwords\n")
    (tmp_path / "somewhere.md").write_text("---\nproject: till\n---\nother words\n")

    def none_near() -> str:
        raise InvalidInput("Name the project with --project.", param="project")

    made = FolderImport(Server(), tmp_path, project=none_near, dry_run=False)  # type: ignore[arg-type]
    await made.run(lambda done, of: None)
    assert (made.outcome.recorded, list(made.outcome.problems)) == (["somewhere.md"], ["nowhere.md"])


async def test_a_refused_key_ends_the_import(tmp_path: Path) -> None:
    one = item()
    put(tmp_path, "one.md", one, (b"at three", b"at four"))
    server = Server(one)
    server.refuses = [ServerRefused("This key is not valid.", status=401, code="not_authenticated")]
    with pytest.raises(ServerRefused, match="not valid"):
        await imported(server, tmp_path)


async def test_nothing_is_sent_after_a_list_that_was_cut_off(tmp_path: Path) -> None:
    one = item()
    put(tmp_path, "one.md", one, (b"at three", b"at four"))
    server = Server(one)
    server.cut = True
    with pytest.raises(Conflict, match="nothing was sent"):
        await imported(server, tmp_path)
    assert server.written == []


async def test_a_file_that_was_saved_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    one = item()
    path = put(tmp_path, "one.md", one, (b"at three", b"at four"))
    server = Server(one)
    patch = server.patch

    async def meanwhile(place: str, body: Mapping[str, Any], *, headers: Mapping[str, str]) -> dict[str, Any]:
        path.write_bytes(path.read_bytes() + b"a last thought\n")
        return await patch(place, body, headers=headers)

    server.patch = meanwhile  # type: ignore[method-assign]
    outcome = await imported(server, tmp_path)
    assert path.read_bytes().endswith(b"a last thought\n")
    assert server.items[one["id"]]["revision"] in outcome.problems["one.md"]
