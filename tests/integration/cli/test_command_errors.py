"""Bad input to every command: each refusal is in the words of the command line, whoever found the fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.test_cli import cairn
from tests.running import Running, running

pytestmark = pytest.mark.long

OF_HTTP = re.compile(r"/v1/|[?&][a-z_]+=|\b(GET|POST|PUT|PATCH|DELETE) |HTTP|(?<!,)\b[45]\d\d\b|\{[\"']|request id|Input should")
FIELDS = re.compile(r"\b(max_tokens|monthly_limit_\w+|amount_usd|charged_\w+|min_score|modified_at)\b")
UUID = "6f1d4c0e-0000-4000-8000-00000000cafe"
LONG = "x" * 9_000
PROJECT = ("--project", "kiosk")
BAD = [
    ["query", ""], ["query", LONG], ["query", "x", "--limit", "-1"], ["query", "x", "--limit", "500"], ["query", "x", "--since", "yesterday"],
    ["query", "x", "--since", "2026-02-30"], ["query", "x", "--since", "9999-12-31", "--until", "0001-01-01"], ["query", "x", "--kind", "thing"],
    ["query", "x", "--project", "a\x07b"], ["query", "x", "--project", "p" * 300], ["query", "x", "--team", "nobody"],
    ["ask", ""], ["ask", LONG], ["ask", "x", "--developer", "nobody"], ["ask", "x", "--team", "nobody"],
    ["context", "--tokens", "-5"], ["context", "--tokens", "10000000"], ["context", "--tokens", "many"], ["context", "--project", " "],
    ["remember", " ", *PROJECT], ["remember", LONG, *PROJECT], ["remember", "x", "--title", "t" * 900, *PROJECT], ["remember", "x", "--path", "", *PROJECT],
    ["remember", "x", "--type", "wisdom", *PROJECT], ["remember", "x", "--project", "p" * 300],
    ["correct", "nonsense", "--text", "x"], ["correct", UUID, "--text", "x"], ["correct", UUID], ["forget", "nonsense"], ["forget", UUID],
    ["teams", "add", ""], ["teams", "add", "a b c!"], ["teams", "add", "t" * 300], ["teams", "add", "default"],
    ["developers", "link", "ada", "nonsense"], ["developers", "link", "", "ada@example.com"], ["developers", "unlink", "nobody"],
    ["developers", "add", ""], ["developers", "add", "new", "--team", "nobody"],
    ["developers", "add", "new", "--monthly-limit-usd", "-1"], ["developers", "add", "new", "--monthly-limit-usd", "1e300"],
    ["developers", "add", "new", "--role", "king"], ["developers", "set-role", "nobody", "lead"], ["developers", "set-role", "nobody", "king"],
    ["keys", "create", "nobody"], ["keys", "create", ""], ["keys", "revoke", "nonsense"], ["keys", "revoke", UUID],
    ["projects", "prompts", "nothing", "--show"], ["sessions", "list", "--developer", "nobody"], ["sessions", "list", "--since", "x"],
    ["sessions", "list", "--subject", "x" * 300], ["sessions", "list", "--since", "2026-02-02", "--until", "2026-01-01"],
    ["projects", "rename", "nothing", "x"], ["projects", "merge", "nothing", "other"],
    ["sessions", "list", "--limit", "-1"], ["sessions", "list", "--limit", "100000"], ["sessions", "list", "--agent", "a\x07"],
    ["sessions", "show", "nonsense"], ["sessions", "show", UUID],
    ["policies", "list", "--project", "nothing"], ["policies", "check", "/nonexistent"], ["policies", "check", "README.md"], ["policies", "check", "config/policies.yaml", "--project", "nothing"],
    ["policies", "switch", "no-force-push", "--project", "nothing", "--off"], ["policies", "switch", "no-force-push", "--project", "nothing"],
    ["policies", "switch", "no-force-push", "--project", "nothing", "--severity", "loud"], ["policies", "switch", "no-force-push", "--off"],
    ["sessions", "similar", "nonsense"], ["sessions", "similar", UUID], ["sessions", "similar", UUID, "--limit", "51"],
    ["budget", "show", "nobody"], ["budget", "set", "nobody", "5"], ["budget", "set", "nobody", "1e300"], ["budget", "set", "nobody", "-5"],
    ["budget", "set-team", "nobody", "--usd", "5"], ["budget", "set-team", "default", "--usd", "1e300"],
    ["budget", "set-team", "default", "--tokens", "99999999999999999999"], ["budget", "set-team", "default"],
    ["budget", "top-up", "nobody", "5"], ["budget", "top-up", "nobody", "0"], ["budget", "top-up", "nobody", "nothing"],
    ["budget", "history", "nobody"], ["budget", "history", "nobody", "--limit", "0"], ["budget", "sessions", "nonsense"],
    ["budget", "sessions", "--developer", "nobody"], ["budget", "sessions", "--order", "sideways"], ["budget", "sessions", "--limit", "0"],
    ["budget", "reconcile", "nobody"], ["budget", "correct", "nobody", "1", "5", "--note", "why"], ["budget", "correct", "nobody", "x", "5", "--note", "y"],
    ["budget", "spend", "--by", "mood"], ["budget", "spend", "--from", "yesterday"], ["budget", "spend", "--from", "2099-01-01"], ["budget", "spend", "--to", "2099-01-01"],
    ["budget", "spend", "--from", "2026-03-02", "--to", "2026-03-01"], ["budget", "spend", "--from", "0001-01-01"], ["budget", "spend", "--from", "2026-02-30"],
    ["budget", "spend", "--developer", "nobody"], ["budget", "spend", "--team", "nobody"], ["budget", "spend", "--limit", "0"], ["budget", "spend", "--csv", "--json"],
    ["budget", "calls", "--outcome", "sad"], ["budget", "calls", "--min-cost", "-1"], ["budget", "calls", "--min-cost", "1e300"], ["budget", "calls", "--limit", "many"],
    ["budget", "calls", "--project", "p" * 300], ["budget", "calls", "--to", "12/11/2026"],
    ["jobs", "list", "--state", "odd"], ["jobs", "list", "--developer", "nobody"], ["jobs", "list", "--limit", "0"], ["jobs", "list", "--project", "p" * 300],
    ["jobs", "show", "nonsense"], ["jobs", "show", UUID], ["jobs"],
    ["teams", "add", "a\u200bb"], ["developers", "add", "\u0430da"], ["developers", "add", "\uff41da"], ["keys", "create", "nobody", "--name", "\u202ex"],
    ["developers", "list", "--team", "nobody"], ["keys", "create", "nobody", "--expires", "yesterday"], ["keys", "create", "nobody", "--expires", "2001-01-01"],
    ["ingest", "/nonexistent"], ["ingest", "/dev/null"], ["ingest", "README.md"], ["ingest", "README.md", "--format", "word"],
    ["ingest", "README.md", "--project", "p" * 300], ["ingest", "README.md", "--team", "nobody"], ["ingest", "README.md", "--format", "codex"],
    ["connect", "emacs"], ["pause", "--minutes", "-1"], ["watch", "/nonexistent", "--yes"], ["serve", "--port", "99999"], ["query", "x", "--nonsense"],
    ["nonsense"], ["budget", "nonsense"], ["budget"], ["query"],
]  # fmt: skip


@pytest.fixture(scope="module")
def server(short_folder: Path) -> Iterator[Running]:
    with running(short_folder / "errors") as started:
        yield started


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(words)[:50].encode("ascii", "replace").decode())
def test_bad_input_is_refused_in_the_words_of_the_command_line(server: Running, words: list[str]) -> None:
    done = cairn(server.folder, *words)
    said = done.stdout + done.stderr
    assert (done.returncode != 0 or "There are no sessions" in said, bool(said.strip())) == (True, True), said
    told = said.replace(words[-1], "")
    assert not OF_HTTP.search(told), said
    assert not FIELDS.search(told), said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["query", ""], "QUESTION is empty"),
        (["remember", "x", "--path", "", "--project", "kiosk"], "--path is empty"),
        (["remember", " ", "--project", "kiosk"], "TEXT is empty"),
        (["forget", "nonsense"], "ID must be a whole UUID"),
        (["query", "x", "--since", "2026-02-02", "--until", "2026-01-01"], "--since lies after --until: swap them"),
        (["ingest", "Makefile"], "Name its --format if it is one of these"),
        (["budget", "set-team", "default", "--tokens", "99999999999999999999"], "--tokens"),
        (["budget", "set", "nobody", "1e300"], "USD must be at most 1,000,000 US dollars."),
        (["budget", "spend", "--from", "2099-01-01"], "--from is in the future: the last day with calls is today"),
        (["budget", "spend", "--from", "yesterday"], "'yesterday' is not a date: write 2026-11-28."),
        (["budget", "spend", "--csv", "--json"], "two forms of output: choose one"),
        (["developers", "add", "\u0430da"], "NAME mixes letters that look alike (Latin and Cyrillic): write it in one script."),
        (["developers", "add", "ada\u200b"], "NAME holds a character that can't be seen (U+200B, ZERO WIDTH SPACE): leave it out."),
        (["jobs", "show", "nonsense"], "ID must be a whole UUID"),
        (["query", "x", "--since", "yesterday"], "'yesterday' is not a date: write 2026-11-28"),
        (["sessions", "show", UUID], "List them: `cairn sessions list`."),
    ],
)
def test_a_refusal_names_the_option_or_the_command(server: Running, words: list[str], says: str) -> None:
    done = cairn(server.folder, *words)
    assert says in done.stderr + done.stdout, done.stderr
