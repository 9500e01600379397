"""The command line as a person uses it: real processes against a real server; each error says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.cli.demo import CORRECTION, QUESTIONS
from tests.running import ROOT, Running, running

pytestmark = pytest.mark.long

EXAMPLES = ROOT / "examples" / "sessions"
COMMANDS = [
    [], ["serve"], ["stop"], ["worker"], ["demo"], ["ingest"], ["query"], ["ask"], ["classify"], ["remember"], ["correct"], ["forget"], ["restore"], ["decide"], ["contradictions"], ["review"], ["keep"], ["retire"], ["merge"], ["freshness"], ["teams"], ["teams", "add"], ["teams", "list"],
    ["projects"], ["projects", "list"], ["projects", "open"], ["projects", "close"], ["projects", "members"], ["projects", "rename"],
    ["projects", "merge"], ["projects", "prompts"], ["developers"],
    ["developers", "add"], ["developers", "list"], ["developers", "set-role"], ["keys"], ["keys", "create"], ["keys", "list"], ["keys", "revoke"],
    ["developers", "disable"], ["developers", "enable"], ["developers", "remove"], ["developers", "export"], ["developers", "invite"],
    ["developers", "invitations"], ["developers", "revoke-invitation"], ["developers", "link"], ["developers", "unlink"], ["developers", "linked"], ["login"], ["logout"], ["whoami"], ["budget"], ["budget", "show"],
    ["budget", "set"], ["budget", "set-team"], ["budget", "top-up"], ["budget", "history"], ["budget", "verify"],
    ["budget", "reconcile"], ["budget", "spend"], ["budget", "calls"], ["jobs"], ["jobs", "list"], ["jobs", "show"], ["keys", "limit"],
    ["keys", "models"], ["index"], ["index", "rebuild"], ["db"], ["db", "upgrade"], ["db", "current"], ["db", "history"],
    ["connect"], ["hook"], ["mcp"], ["pause"], ["context"], ["doctor"], ["version"], ["watch"], ["sessions"], ["sessions", "list"], ["sessions", "show"], ["sessions", "similar"], ["policies"], ["policies", "list"], ["policies", "check"], ["policies", "switch"], ["knowledge"], ["knowledge", "export"],
    ["knowledge", "import"], ["export"],
]  # fmt: skip


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "cli") as started:
        yield started


def cairn(folder: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *words],
        env={**clean, "CAIRN_DATA_DIR": str(folder), "CAIRN_CLI__WARM_MINUTES": "0", **(env or {})},
        cwd=cwd or ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str], tmp_path: Path) -> None:
    done = cairn(tmp_path, *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: cairn" in done.stdout


def test_jobs_are_listed_and_one_is_shown(server: Running) -> None:
    assert cairn(server.folder, "ingest", str(EXAMPLES), "--project", "examples").returncode == 0
    (job,) = json.loads(cairn(server.folder, "jobs", "list", "--project", "examples", "--limit", "1", "--json").stdout)["jobs"]
    head, row = cairn(server.folder, "jobs", "list", "--project", "examples", "--limit", "1").stdout.splitlines()[:2]
    assert head.split("\t") == ["Asked for (UTC)", "Kind", "State", "Progress", "By", "Error", "Id"]
    assert [each in row.split("\t") for each in (job["id"], "done", "ingest")] == [True] * 3
    shown = cairn(server.folder, "jobs", "show", job["id"]).stdout
    assert [each in shown for each in ("kind: ingest", "state: done", "sessions: ")] == [True] * 3
    none = cairn(server.folder, "jobs", "list", "--state", "failed", "--project", "examples")
    assert (none.stdout, "There are no such jobs" in none.stderr) == ("", True)


def test_sessions_go_in_and_a_cited_answer_comes_out(server: Running) -> None:
    done = cairn(server.folder, "ingest", str(EXAMPLES), "--project", "examples")
    assert done.returncode == 0, done.stderr
    assert f"{len(list(EXAMPLES.iterdir()))} transcripts read" in done.stdout
    again = cairn(server.folder, "ingest", str(EXAMPLES), "--project", "examples")
    assert "0 new events" in again.stdout
    asked = cairn(server.folder, "query", "why was the card charged twice?", "--project", "examples")
    assert asked.returncode == 0
    assert "2026-11-03-double-charge.claude-code.jsonl L" in asked.stdout
    data = json.loads(cairn(server.folder, "query", "why was the card charged twice?", "--json", "--limit", "2").stdout)
    assert 1 <= len(data["results"]) <= 2
    assert data["results"][0]["source"]["excerpt"]


def test_sessions_like_one_are_listed_with_why(server: Running, tmp_path: Path) -> None:
    calls = (("npm run build", "error TS2304", 2), ("npm install typescript", "added", 0), ("npm run build", "built", 0))
    for topic in ("crane", "winch"):
        lines: list[dict[str, object]] = [{"id": f"{topic}0", "role": "user", "text": f"Build the {topic}."}]
        for number, (command, output, code) in enumerate(calls, 1):
            tool = {"name": "bash", "input": command, "output": output, "exit_code": code}
            lines.append({"id": f"{topic}{number}", "role": "tool", "text": "", "tool": tool})
        (tmp_path / f"{topic}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert cairn(server.folder, "ingest", str(tmp_path), "--project", "quay", "--yes").returncode == 0
    listed = json.loads(cairn(server.folder, "sessions", "list", "--project", "quay", "--json").stdout)["sessions"]
    ids = {each["transcript"]: each["id"] for each in listed}
    shown = cairn(server.folder, "sessions", "similar", ids["crane.jsonl"])
    assert f"100%  no date     quay  Build the winch.  {ids['winch.jsonl']}\n" in shown.stdout, shown
    assert "Both: a prompt, a build fails, an installation, a build. Then, there: an installation, a build." in shown.stdout
    found = json.loads(cairn(server.folder, "sessions", "similar", ids["crane.jsonl"], "--limit", "1", "--json").stdout)
    assert [each["id"] for each in found["sessions"]] == [ids["winch.jsonl"]]


def test_an_answer_is_quoted_with_numbered_sources(server: Running) -> None:
    cairn(server.folder, "ingest", str(EXAMPLES), "--project", "examples")
    done = cairn(server.folder, "ask", "why was the card charged twice?", "--project", "examples")
    assert done.returncode == 0
    assert "[1]" in done.stdout
    assert "   [1] " in done.stdout
    data = json.loads(cairn(server.folder, "ask", "why was the card charged twice?", "--json").stdout)
    assert data["answer"]["citations"]
    assert "Nothing in the sessions answers that" in cairn(server.folder, "ask", "how do I bake an apple pie?").stderr


def test_nothing_relevant_says_how_to_go_on(server: Running) -> None:
    cairn(server.folder, "ingest", str(EXAMPLES), "--project", "examples")
    done = cairn(server.folder, "query", "how do I bake an apple pie?")
    assert (done.returncode, "Nothing in the sessions answers that" in done.stderr) == (0, True)
    assert done.stdout == ""
    empty = cairn(server.folder, "query", "anything", "--project", "nowhere")
    said, named = empty.stderr.split(" Leave --project out (there ")
    assert "The project 'nowhere' has no sessions and no recorded knowledge yet." in said
    assert "examples" in named  # other tests of the server have projects, too


def test_what_a_person_remembers_is_found_and_forgotten(server: Running, tmp_path: Path) -> None:
    said = "Receipts of the harbour kiosk are printed twice when its clock is wrong"
    (tmp_path / "kiosk" / ".git").mkdir(parents=True)
    (tmp_path / "kiosk" / "src").mkdir()
    environment = {"PYTHONPATH": str(ROOT)}
    done = cairn(server.folder, "remember", said, "--path", "src/clock.py", "--json", env=environment, cwd=tmp_path / "kiosk" / "src")
    assert done.returncode == 0, done.stderr
    item = json.loads(done.stdout)
    assert (item["project"], item["type"], item["paths"]) == ("kiosk", "gotcha", ["src/clock.py"])
    again = cairn(server.folder, "remember", said, "--project", "kiosk", "--type", "tool_usage", "--title", "Receipts")
    assert (again.returncode, f"cairn forget {item['id']}" in again.stdout) == (0, True)
    for _ in range(100):  # the worker feeds the index
        asked = cairn(server.folder, "query", said, "--project", "kiosk")
        if "recorded: gotcha" in asked.stdout:
            break
    assert "recorded by a person" in asked.stdout
    other = cairn(server.folder, "query", "how do I bake an apple pie?", "--project", "kiosk")
    assert "Nothing in the project 'kiosk' answers that" in other.stderr
    assert item["id"] in asked.stdout
    right = "Receipts of the harbour kiosk are printed twice when its network is slow"
    done = cairn(server.folder, "correct", item["id"], "--text", right, "--path", "src/net.py", "--type", "bug_solution")
    assert (done.returncode, "Corrected in kiosk" in done.stdout) == (0, True), done.stderr
    shown = server.get(f"/v1/knowledge/{item['id']}")
    assert (shown["text"], shown["type"], shown["paths"]) == (right, "bug_solution", ["src/net.py"])
    assert "is deleted" in cairn(server.folder, "forget", item["id"]).stdout
    gone = cairn(server.folder, "forget", item["id"])
    assert (gone.returncode, item["id"] in gone.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["remember", "x", "--type", "wisdom"], 2, "gotcha"),
        (["remember", " ", "--project", "kiosk"], 1, "TEXT is empty"),
        (["remember", "x" * 8001, "--project", "kiosk"], 1, "8,000"),
        (["remember", "Something"], 1, "name the project with --project"),
        (["remember", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "--project", "kiosk"], 1, "only a secret"),
        (["correct", "nonsense", "--text", "x"], 1, "UUID"),
        (["correct", "6f1d4c0e-0000-4000-8000-00000000cafe", "--text", "x"], 1, "6f1d4c0e"),
        (["correct", "6f1d4c0e-0000-4000-8000-00000000cafe"], 1, "--text, --title, --type or --path"),
        (["correct", "6f1d4c0e-0000-4000-8000-00000000cafe", "--type", "wisdom"], 2, "gotcha"),
        (["forget", "nonsense"], 1, "UUID"),
        (["forget"], 2, "ID"),
    ],
)
def test_what_cannot_be_remembered_corrected_or_forgotten_is_said_in_a_line(
    server: Running, tmp_path: Path, words: list[str], code: int, says: str
) -> None:
    done = cairn(server.folder, *words, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


@pytest.mark.slow
def test_the_demo_shows_what_was_said_learnt_answered_not_answered_and_corrected(tmp_path: Path) -> None:
    shown = cairn(tmp_path, "demo")
    assert shown.returncode == 0, shown.stderr
    words = " ".join(shown.stdout.split())
    order = [
        f"{len(list(EXAMPLES.iterdir()))} transcripts read",
        "said · tidewater",
        "learnt: ",
        "[1]",
        "Nothing in the project 'tidewater' answers that",
        "answers contain the answer to the question; of 1 without an answer, 1 was refused.",
        "$ cairn correct ",
        f"{CORRECTION} ─",
        "$ cairn sessions show ",
        "health: off track, events",
        "$ cairn sessions similar ",
        "Both: ",
        "Budget of mara: $8.33 a month, $0.00 spent",
    ]
    places = [words.find(each) for each in order]
    assert -1 not in places, [each for each, place in zip(order, places, strict=True) if place < 0]
    assert places == sorted(places)
    assert not list(tmp_path.iterdir())  # a scratch folder of its own, gone again


@pytest.mark.parametrize("words", [each for each in QUESTIONS.values() if each is not None])
def test_what_answers_a_question_of_the_demo_was_said_in_an_example(words: str) -> None:
    said = [" ".join(each.read_text().replace("\\u00d8", "Ø").split()) for each in EXAMPLES.iterdir()]
    assert any(words in each for each in said)


def test_what_lies_in_a_folder_may_be_no_transcript_what_is_named_may_not(server: Running, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("Dear diary,\nnothing happened today.\n")
    (tmp_path / "session.jsonl").write_text('{"id": "1", "role": "user", "text": "hello"}\n')
    folder = cairn(server.folder, "ingest", str(tmp_path))
    assert folder.returncode == 0
    assert "1 transcript read" in folder.stdout
    assert "1 file skipped: not a transcript" in folder.stdout
    named = cairn(server.folder, "ingest", str(tmp_path / "notes.md"))
    assert named.returncode == 1
    assert "not a transcript that Cairn knows" in named.stdout
    listed = json.loads(cairn(server.folder, "ingest", str(tmp_path), "--json").stdout)
    assert [each["error"] and each["error"]["code"] for each in listed["files"]] == ["unknown_format", None]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["ingest", "/nowhere/at/all"], 2, "does not exist"),
        (["query", "x", "--limit", "0"], 2, "--limit"),
        (["query", ""], 1, "QUESTION"),
        (["query", "x", "--project", "a\x01b"], 1, "project"),
        (["developers", "add", "a/b"], 1, "NAME"),
        (["developers", "add", "ada", "--team", "nobody"], 1, "cairn teams list"),
        (["keys", "create", "nobody"], 1, "cairn developers list"),
        (["developers", "set-role", "nobody", "lead"], 1, "cairn developers list"),
        (["developers", "set-role", "ada", "owner"], 2, "auditor"),
        (["projects", "close", "nothing"], 1, "cairn projects list"),
        (["developers", "disable", "nobody"], 1, "cairn developers list"),
        (["developers", "remove", "nobody"], 2, "--sessions"),
        (["developers", "remove", "nobody", "--sessions", "keep"], 1, "add --yes"),
        (["developers", "remove", "nobody", "--sessions", "keep", "--yes"], 1, "cairn developers list"),
        (["developers", "remove", "nobody", "--sessions", "keep", "--yes", "--export", "/nowhere/x"], 1, "is not a folder"),
        (["developers", "export", "nobody", "README.md"], 1, "exists already"),
        (["developers", "revoke-invitation", "x"], 1, "ID must be a whole UUID"),
        (["developers", "link", "nobody", "ada@example.com"], 1, "OpenID is off here"),
        (["developers", "unlink", "nobody"], 1, "cairn developers list"),
        (["keys", "create", "nobody", "--expires", "soon"], 1, "90d"),
        (["keys", "revoke", "no-such-key"], 1, "cairn keys list"),
        (["keys", "list", "nobody"], 1, "cairn developers list"),
        (["login", "cairn.example"], 1, "begins with http"),
        (["login", "http://127.0.0.1:9"], 1, "No key was given"),
        (["worker"], 1, "CAIRN_DATABASE__URL"),
        (["ingest", "--format", "word", "x"], 2, "word"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_each_error_names_its_cause(server: Running, words: list[str], status: int, says: str) -> None:
    done = cairn(server.folder, *words)
    assert done.returncode == status, done.stderr
    assert says in done.stderr


def test_a_developers_key_asks_but_does_not_administer_until_it_is_revoked(server: Running) -> None:
    made = json.loads(cairn(server.folder, "developers", "add", "grace", "--role", "auditor", "--json").stdout)
    assert (made["monthly_limit_usd"], made["role"]) == (8.33, "auditor")
    assert "developer of team default" in cairn(server.folder, "developers", "set-role", "grace", "developer").stdout
    key = json.loads(cairn(server.folder, "keys", "create", "grace", "--json").stdout)
    own = {"CAIRN_KEY": key["key"]}
    assert cairn(server.folder, "query", "anything", env=own).returncode == 0
    assert cairn(server.folder, "developers", "list", env=own).returncode == 4
    assert "grace" in cairn(server.folder, "developers", "list").stdout
    assert cairn(server.folder, "keys", "revoke", key["id"]).returncode == 0
    refused = cairn(server.folder, "query", "anything", env=own)
    assert (refused.returncode, "cairn keys create" in refused.stderr) == (4, True)


def test_a_key_has_a_limit_and_models_which_an_admin_changes_and_removes(server: Running) -> None:
    cairn(server.folder, "developers", "add", "kai")
    made = json.loads(
        cairn(server.folder, "keys", "create", "kai", "--name", "ci", "--limit", "2", "--models", "auto, auto", "--json").stdout
    )
    assert (made["monthly_limit_usd"], made["models"]) == (2, ["auto"])
    of = ("--developer", "kai")
    limited = cairn(server.folder, "keys", "limit", "ci", "$5.50", *of, "--json")
    assert json.loads(limited.stdout)["monthly_limit_usd"] == 5.5, limited.stderr
    assert "a month" in cairn(server.folder, "keys", "list", "kai").stdout
    own = {"CAIRN_KEY": made["key"]}
    assert cairn(server.folder, "keys", "limit", "ci", "6", env=own).returncode == 4
    assert cairn(server.folder, "keys", "models", "ci", "all", env=own).returncode == 4
    assert "no limit of its own" in cairn(server.folder, "keys", "limit", "ci", "none", *of).stdout
    assert "may use every model" in cairn(server.folder, "keys", "models", "ci", "all", *of).stdout
    for command, value, says in (("limit", "many", "USD is 'many'"), ("models", "no-such-model", "there is no model")):
        refused = cairn(server.folder, "keys", command, "ci", value, *of)
        assert (refused.returncode, says in refused.stderr) == (1, True), refused.stderr


def test_a_project_is_closed_to_all_but_some_by_name_and_opened_again(server: Running) -> None:
    folder, words = server.folder, ("remember", "The vault's door wants its hinges oiled in May.", "--project", "vault")
    assert cairn(folder, *words).returncode == 0
    for name in ("hedy", "rosa"):
        assert cairn(folder, "developers", "add", name).returncode == 0
    rosa = {"CAIRN_KEY": json.loads(cairn(folder, "keys", "create", "rosa", "--json").stdout)["key"]}
    assert "open to hedy, leads and admins" in cairn(folder, "projects", "close", "vault", "--members", "hedy").stdout
    assert "vault" not in cairn(folder, "projects", "list", env=rosa).stdout
    assert "hinges" not in cairn(folder, "query", "Whose hinges are oiled in May?", env=rosa).stdout
    hidden = cairn(folder, "projects", "members", "vault", env=rosa)
    assert (hidden.returncode, "no project 'vault'" in hidden.stderr) == (1, True)
    assert "hedy, rosa" in cairn(folder, "projects", "members", "vault", "--add", "rosa").stdout
    assert "vault" in cairn(folder, "projects", "list", env=rosa).stdout
    left = json.loads(cairn(folder, "projects", "members", "vault", "--remove", "rosa,hedy", "--json").stdout)
    assert (left["open"], left["members"]) == ("members", [])
    assert "leads and admins only" in cairn(folder, "projects", "members", "vault").stdout
    unknown = cairn(folder, "projects", "members", "vault", "--add", "nobody")
    assert (unknown.returncode, "nobody" in unknown.stderr) == (1, True)
    assert "is open to its team" in cairn(folder, "projects", "open", "vault").stdout
    assert "not shown" in cairn(folder, "projects", "prompts", "vault", env=rosa).stdout
    refused = cairn(folder, "projects", "prompts", "vault", "--show", env=rosa)
    assert (refused.returncode, "lead or an admin" in refused.stderr) == (4, True), refused.stderr
    assert "shown since" in cairn(folder, "projects", "prompts", "vault", "--show").stdout
    assert "your new sessions of: vault" in cairn(folder, "whoami", env=rosa).stdout
    assert "not shown" in cairn(folder, "projects", "prompts", "vault", "--hide").stdout


def test_a_server_that_is_not_there_is_named(server: Running) -> None:
    done = cairn(server.folder, "query", "x", env={"CAIRN_URL": "http://127.0.0.1:9", "CAIRN_KEY": "k" * 30})
    assert done.returncode == 3
    assert "http://127.0.0.1:9" in done.stderr


def test_a_second_server_on_the_same_folder_is_refused(server: Running) -> None:
    done = cairn(server.folder, "serve", "--port", "0")
    assert done.returncode == 1
    assert str(server.folder) in done.stderr
    assert server.get("/healthz")


def test_wrong_settings_are_named_and_no_secret_is_shown(server: Running) -> None:
    done = cairn(server.folder, "query", "x", env={"CAIRN_SERVER__PORT": "eighty", "CAIRN_ADMIN_KEY": "tell-nobody-" * 4})
    assert done.returncode == 1
    assert "server.port" in done.stderr
    assert "tell-nobody" not in done.stderr


def test_the_index_is_rebuilt_and_the_doctor_is_content(server: Running) -> None:
    assert json.loads(cairn(server.folder, "index", "rebuild", "--json").stdout)["points"] >= 0
    checks = json.loads(cairn(server.folder, "doctor", "--json").stdout)["checks"]
    assert [each for each in checks if each["verdict"] == "failed"] == []
    assert {"settings", "data folder", "disk", "server", "database", "vectors", "worker", "model", "projection items"} <= {
        each["name"] for each in checks
    }


def test_nothing_found_where_the_agents_keep_their_sessions(server: Running, tmp_path: Path) -> None:
    done = cairn(server.folder, "ingest", env={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 1
    assert "cairn ingest PATH" in done.stderr


def test_what_the_agents_kept_is_read_only_when_somebody_agrees(server: Running, tmp_path: Path) -> None:
    place = tmp_path / ".claude" / "projects" / "-home-ada-shop"
    place.mkdir(parents=True)
    session = EXAMPLES / "2026-11-03-double-charge.claude-code.jsonl"
    (place / "a.jsonl").write_bytes(session.read_bytes())
    asked = cairn(server.folder, "ingest", env={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    agreed = cairn(server.folder, "ingest", "--yes", env={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert (agreed.returncode, "1 transcript read" in agreed.stdout) == (0, True)


def test_two_commands_at_once_without_a_server_take_turns(server: Running, short_folder: Path) -> None:
    folder = short_folder / "turns"
    folder.mkdir()
    (folder / "models").symlink_to((server.folder / "models").resolve())
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda question: cairn(folder, "query", question), ["one", "two"]))
    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]


def test_a_file_name_that_is_no_text_and_one_that_cannot_be_read(server: Running, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"bad\xff.jsonl")
    odd.write_text('{"id": "1", "role": "user", "text": "hello"}\n')
    (tmp_path / "fine.jsonl").write_text('{"id": "1", "role": "user", "text": "hello"}\n')
    done = cairn(server.folder, "ingest", str(tmp_path))
    assert (done.returncode, "2 transcripts read" in done.stdout) == (0, True), done.stderr
    unreadable = cairn(server.folder, "ingest", "/proc/self/mem", str(tmp_path))
    assert unreadable.returncode == 1
    assert "2 transcripts read" in unreadable.stdout


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"CAIRN_SERVER": "x"}, "CAIRN_SERVER__PORT"),
        ({"CAIRN_KEY": "a\nb"}, "CAIRN_KEY"),
        ({"CAIRN_URL": "http://127.0.0.1:9"}, "set CAIRN_KEY"),
        ({"CAIRN_QDRANT__URL": "nonsense"}, "qdrant.url"),
    ],
)
def test_a_variable_that_cannot_be_is_named(server: Running, env: dict[str, str], says: str) -> None:
    done = cairn(server.folder, "query", "x", env=env)
    assert (done.returncode, says in done.stderr) == (1, True), done.stderr


def test_the_doctor_names_a_variable_that_does_nothing(server: Running) -> None:
    checks = json.loads(cairn(server.folder, "doctor", "--json", env={"CAIRN_NOPE": "1"}).stdout)["checks"]
    noted = {each["name"]: each["detail"] for each in checks if each["verdict"] == "note"}
    assert noted["settings"] == "CAIRN_NOPE is not a setting of this version and has no effect: check its spelling"
    assert noted["provider groq"] == "GROQ_API_KEY is not set, so it is not used"
    assert "CAIRN_PROVIDERS__LOCAL__API_BASE" in noted["provider local"]


def test_with_no_warm_minutes_a_server_is_started_for_the_length_of_the_command(server: Running, short_folder: Path) -> None:
    folder = short_folder / "lonely"
    folder.mkdir()
    (folder / "models").symlink_to((server.folder / "models").resolve())
    done = cairn(folder, "query", "anything")
    assert done.returncode == 0, done.stderr
    assert "There are no sessions yet" in done.stderr
    assert not (folder / "server.json").exists()


def test_an_invited_developer_logs_in_works_and_is_removed(server: Running, tmp_path: Path) -> None:
    own = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    invited = json.loads(cairn(server.folder, "developers", "invite", "lin", "--json").stdout)
    assert invited["link"].startswith(f"{server.url}/invite/")
    done = cairn(server.folder, "login", invited["link"], "--name", "laptop", env=own)
    assert (done.returncode, "as lin, developer of team default" in done.stdout) == (0, True), done.stderr
    kept = tmp_path / "config" / "cairn" / "client.toml"
    key = next(line.split('"')[1] for line in kept.read_text().splitlines() if line.startswith("key"))
    assert (kept.stat().st_mode & 0o777, key in done.stdout + done.stderr) == (0o600, False)
    again = cairn(server.folder, "login", invited["link"], env=own)
    assert (again.returncode, "works only once" in again.stderr) == (1, True)
    who = cairn(server.folder, "whoami", env=own).stdout
    assert "lin, developer of team default" in who
    assert "laptop" in cairn(server.folder, "keys", "list", env=own).stdout
    assert cairn(server.folder, "developers", "disable", "lin").returncode == 0
    refused = cairn(server.folder, "whoami", env=own)
    assert (refused.returncode, "lin is disabled" in refused.stderr) == (4, True)
    assert cairn(server.folder, "developers", "enable", "lin").returncode == 0
    file = tmp_path / "lin.ndjson"
    removed = cairn(server.folder, "developers", "remove", "lin", "--sessions", "erase", "--yes", "--export", str(file))
    assert (removed.returncode, "lin is removed" in removed.stdout) == (0, True), removed.stderr
    assert json.loads(file.read_text().splitlines()[-1]) == {"record": "end", "sessions": 0, "events": 0}
    assert (file.stat().st_mode & 0o777, [each.name for each in tmp_path.glob(".*")]) == (0o600, [])
    assert cairn(server.folder, "whoami", env=own).returncode == 4
    assert cairn(server.folder, "logout", env=own).returncode == 0
    assert not kept.exists()
