"""Items to a folder and back, and a team to a file, by the commands: real processes against a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long

SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "exports") as started:
        yield started


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def remembered(server: Running, text: str, *, project: str, key: str | None = None) -> Any:
    env = {} if key is None else {"CAIRN_KEY": key}
    return told(cairn(server.folder, "remember", text, "--project", project, "--json", env=env))


def test_before_anything_is_known_the_commands_say_where_items_come_from(server: Running, tmp_path: Path) -> None:
    exported = cairn(server.folder, "knowledge", "export", str(tmp_path / "new"))
    assert (exported.returncode, "Items come from sessions" in exported.stderr) == (0, True), exported.stderr
    imported = cairn(server.folder, "knowledge", "import", str(tmp_path / "new"))
    assert (imported.returncode, "no Markdown files with items" in imported.stderr) == (0, True), imported.stderr
    unknown = cairn(server.folder, "knowledge", "export", str(tmp_path / "new"), "--project", "nowhere")
    assert (unknown.returncode, "no project 'nowhere'" in unknown.stderr, "/v1/" in unknown.stderr) == (1, True, False), unknown.stderr
    missing = cairn(server.folder, "knowledge", "import", str(tmp_path / "missing"))
    assert (missing.returncode, "is not a folder" in missing.stderr) == (1, True), missing.stderr


def test_items_go_out_are_edited_and_come_back(server: Running, tmp_path: Path) -> None:
    folder, name = tmp_path / "knowledge", str(tmp_path / "knowledge")
    one = remembered(server, "The quay crane wants grease in wet weather.", project="quay")
    other = remembered(server, "The ferry waits for the tide at noon.", project="ferry")
    first = told(cairn(server.folder, "knowledge", "export", name, "--json"))
    assert (first["new"], first["problems"]) == (2, {})
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert told(cairn(server.folder, "knowledge", "export", name, "--json"))["unchanged"] == 2
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before

    (crane,) = folder.glob("the-quay-crane-*.md")
    crane.write_text(crane.read_text().replace("in wet weather.\n", f"in wet weather. Its key is {SECRET}.\n"))
    crane = crane.rename(folder / "crane.md")
    (folder / "new.md").write_text("---\ntype: tool_usage\n---\nUse pnpm on the quay.\n")
    dry = told(cairn(server.folder, "knowledge", "import", name, "--project", "quay", "--dry-run", "--json"))
    assert (dry["recorded"], dry["corrected"], dry["unchanged"]) == (["new.md"], ["crane.md"], 1)
    done = told(cairn(server.folder, "knowledge", "import", name, "--project", "quay", "--json"))
    assert (done["recorded"], done["corrected"], done["problems"]) == (["new.md"], ["crane.md"], {})
    assert SECRET not in crane.read_text()
    shown = server.get(f"/v1/knowledge/{one['id']}")
    assert (shown["corrected_at"] is not None, "[REDACTED" in str(shown["text"])) == (True, True)
    again = told(cairn(server.folder, "knowledge", "import", name, "--json"))
    assert (again["unchanged"], again["corrected"], again["recorded"]) == (3, [], [])
    after = told(cairn(server.folder, "knowledge", "export", name, "--json"))
    assert (after["unchanged"], after["changed"], after["new"]) == (3, 0, 0), "an import leaves what an export would write"

    server.delete(f"/v1/knowledge/{other['id']}")
    assert told(cairn(server.folder, "knowledge", "export", name, "--json"))["removed"] == 1


def test_a_conflict_is_told_and_nothing_of_either_is_lost(server: Running, tmp_path: Path) -> None:
    name = str(tmp_path / "knowledge")
    made = remembered(server, "The manifest is printed at six.", project="manifest")
    told(cairn(server.folder, "knowledge", "export", name, "--project", "manifest", "--json"))
    (path,) = (tmp_path / "knowledge").iterdir()
    path.write_text(path.read_text().replace("at six", "at seven"))
    mine = path.read_text()
    assert cairn(server.folder, "correct", made["id"], "--text", "The manifest is printed at eight.").returncode == 0
    refused = cairn(server.folder, "knowledge", "import", name)
    assert (refused.returncode, "changed since this file was written" in refused.stderr) == (1, True), refused.stderr
    kept = cairn(server.folder, "knowledge", "export", name, "--project", "manifest")
    assert (kept.returncode, "not imported yet" in kept.stderr, path.read_text()) == (1, True, mine)
    now = server.get(f"/v1/knowledge/{made['id']}")
    assert now["text"] == "The manifest is printed at eight."
    path.write_text(mine.replace(made["revision"], str(now["revision"])))
    assert told(cairn(server.folder, "knowledge", "import", name, "--json"))["corrected"] == [path.name]
    assert server.get(f"/v1/knowledge/{made['id']}")["text"] == "The manifest is printed at seven."


def test_each_corrects_only_what_is_theirs_and_sees_only_their_team(server: Running, tmp_path: Path) -> None:
    assert cairn(server.folder, "teams", "add", "harbour").returncode == 0
    keys = {}
    for who, team in (("ada", "default"), ("bo", "default"), ("cy", "harbour")):
        assert cairn(server.folder, "developers", "add", who, "--team", team).returncode == 0
        keys[who] = json.loads(cairn(server.folder, "keys", "create", who, "--json").stdout)["key"]
    mine = remembered(server, "Customs closes at four on Fridays.", project="customs", key=keys["ada"])
    name = str(tmp_path / "knowledge")
    told(cairn(server.folder, "knowledge", "export", name, "--project", "customs", "--json", env={"CAIRN_KEY": keys["bo"]}))
    (path,) = (tmp_path / "knowledge").iterdir()
    path.write_text(path.read_text().replace("at four", "at five"))
    refused = cairn(server.folder, "knowledge", "import", name, env={"CAIRN_KEY": keys["bo"]})
    assert (refused.returncode, "Only its author" in refused.stderr, "/v1/" in refused.stderr) == (1, True, False), refused.stderr
    elsewhere = cairn(server.folder, "knowledge", "import", name, env={"CAIRN_KEY": keys["cy"]})
    assert (elsewhere.returncode, "another team's" in elsewhere.stderr) == (1, True), elsewhere.stderr
    stays = cairn(server.folder, "knowledge", "export", name, env={"CAIRN_KEY": keys["cy"]})
    assert (stays.returncode, "Nothing was removed" in stays.stderr, path.exists()) == (1, True, True)
    assert told(cairn(server.folder, "knowledge", "import", name, "--json", env={"CAIRN_KEY": keys["ada"]}))["corrected"] == [path.name]
    entry = server.get(f"/v1/knowledge/{mine['id']}/history")["history"]
    assert isinstance(entry, list)
    assert (entry[0]["what"], entry[0]["by"]) == ("corrected", "ada")


@pytest.mark.parametrize("name", ["team.jsonl", "team.jsonl.zst"])
def test_a_team_is_exported_to_one_file(server: Running, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    done = told(cairn(server.folder, "export", str(file), "--json"))
    assert done["records"]["item"] >= 1
    if name.endswith(".zst"):
        import zstandard

        text = zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read().decode()
    else:
        text = file.read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert (records[0]["kind"], records[-1]["kind"], len(records)) == ("export", "end", 2 + sum(done["records"].values()))
    again = cairn(server.folder, "export", str(file))
    assert (again.returncode, "exists already" in again.stderr) == (1, True), again.stderr
    shutil.rmtree(tmp_path)
