"""Hand-labelled sequences of events: loops by rung of the ladder, and what looks like one. Written before the ladder's thresholds were tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from app.sessions.event import Event, Kind, Outcome, Role, ToolUse

_ROLES: dict[Kind, Role] = {"prompt": "user", "reply": "assistant", "thinking": "assistant", "notice": "system", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class Act:
    """One event of a sequence, before it is numbered."""

    kind: Kind
    text: str = ""
    tool: ToolUse | None = None
    outcome: Outcome | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The file that a reader was given, as a transcript's parser tells it."""
        return (self.tool.input,) if self.tool is not None and self.tool.name in {"Read", "read_file"} else ()


@dataclass(frozen=True, slots=True)
class LoopCase:
    """A sequence and the rung that it shows; `rung` None: it only looks like a loop."""

    name: str
    rung: str | None
    acts: tuple[Act, ...]

    @property
    def events(self) -> list[Event]:
        """The sequence as events with ids."""
        return [
            Event(f"e{n}", _ROLES[act.kind], act.kind, act.text, f"L{n}", tool=act.tool, outcome=act.outcome, files=act.files)
            for n, act in enumerate(self.acts, 1)
        ]


def ask(text: str) -> Act:
    return Act("prompt", text)


def say(text: str) -> Act:
    return Act("reply", text)


def call(name: str, given: str, output: str = "", outcome: Outcome = "ok") -> Act:
    return Act("tool", "", ToolUse(name, given, output), outcome)


def bash(command: str, output: str = "", code: int = 0, name: str = "Bash") -> Act:
    return Act("tool", "", ToolUse(name, command, output, code), "failed" if code else "ok")


def edit(path: str, old: str, new: str, name: str = "Edit") -> Act:
    return call(name, f"{path}\n- {old}\n+ {new}", f"The file {path} has been updated.")


def aider(output: str) -> Act:
    return call("aider", "", output)


def _case(name: str, rung: str | None, *acts: Act | Iterable[Act]) -> LoopCase:
    return LoopCase(name, rung, tuple(chain.from_iterable([act] if isinstance(act, Act) else act for act in acts)))


_CONFIG = "retries = 3\nbackoff = 'linear'\n[pool]\nsize = 8\nrecycle = 1800\nping = true\n[log]\nlevel = 'debug'\nfile = 'var/app.log'"
_LIST = (
    "total 12\ndrwxr-xr-x api\ndrwxr-xr-x web\n-rw-r--r-- Makefile\n-rw-r--r-- README.md\n-rw-r--r-- go.mod\n-rw-r--r-- go.sum and vendor"
)
_TS = "src/cart.ts(12,5): error TS2339: Property 'total' does not exist on type 'Cart'."
_HEADER = "ERROR: Could not build wheels: fatal error: libpq-fe.h: No such file or directory"
_ASSERT = "FAILED tests/test_tax.py::test_vat - AssertionError: assert 19 == 7\n1 failed, 4 passed in {}s"
_APPLY = "# {n} SEARCH/REPLACE block failed to match!\nThe LLM did not conform to the edit format.\n## SearchReplaceNoExactMatch: This SEARCH block failed to exactly match lines in {file}"


def _block(lead: str, file: str, new: str) -> Act:
    return say(
        f"{lead}\n\n{file}\n```python\n<<<<<<< SEARCH\ndef total(items):\n    return sum(items)\n=======\n{new}\n>>>>>>> REPLACE\n```"
    )


LOOPS: tuple[LoopCase, ...] = (
    _case("the same listing four times", "exact", ask("where is the api?"), [bash("ls -la", _LIST) for _ in range(4)]),
    _case(
        "one file read again and again with other words between",
        "exact",
        ask("raise the pool size"),
        chain.from_iterable(
            (say(words), call("Read", "/app/config.toml", _CONFIG))
            for words in (
                "Let me look at the configuration.",
                "I want to see the pool.",
                "Now the settings of the log.",
                "Checking it once more.",
            )
        ),
    ),
    _case(
        "a tool of a server with a new request id each time",
        "exact",
        ask("find the ticket"),
        [
            call(
                "mcp__tracker__search",
                f'{{"query": "login broken", "request_id": "r-{n}"}}',
                '{"items": [{"key": "APP-7", "title": "Login loops on Safari", "state": "open", "assignee": null}]}',
            )
            for n in range(4)
        ],
    ),
    _case(
        "a shell whose output differs by times alone",
        "exact",
        ask("is the queue empty?"),
        [
            bash(
                "./queuectl stats",
                f"2026-02-0{n}T08:00:0{n}Z depth=14 oldest={n}.{n}s workers=4 dead=0 rate=0 partition=main consumer=group-a lag=none",
                name="shell",
            )
            for n in range(1, 5)
        ],
    ),
    _case(
        "one search of the code base repeated in another order of words",
        "exact",
        ask("where do we sign cookies?"),
        [
            call(
                "codebase_search",
                f'{{"query": "{words}"}}',
                "src/session/cookie.go:14 func sign(value string) string\nsrc/session/cookie.go:40 func verify(value string) bool",
            )
            for words in (
                "where are session cookies signed",
                "where are signed session cookies",
                "session cookies signed where are",
                "are session cookies signed where",
            )
        ],
    ),
    _case(
        "an install that fails on one header",
        "error",
        ask("install it"),
        chain.from_iterable(
            (bash("pip install psycopg2", _HEADER, 1), say(words)) for words in ("Trying again.", "Once more.", "Another try.")
        ),
    ),
    _case(
        "an install with other flags and the same header",
        "error",
        ask("install it"),
        [bash(f"pip install {flag}psycopg2", _HEADER, 1, "run_shell_command") for flag in ("", "--no-cache-dir ", "-v ", "--user ")],
    ),
    _case("a compiler run again without an edit", "error", ask("fix the types"), [bash("npx tsc --noEmit", _TS, 2) for _ in range(3)]),
    _case(
        "an edit whose old text is not in the file",
        "error",
        ask("rename it"),
        [
            call(
                "str_replace_editor",
                '{"path": "a.py", "old_str": "def f(x):", "new_str": "def g(x):"}',
                "Error: No replacement was performed, old_str `def f(x):` did not appear verbatim in a.py.",
                "failed",
            )
            for _ in range(3)
        ],
    ),
    _case(
        "a folder that may not be written",
        "error",
        ask("deploy"),
        chain.from_iterable(
            (say("I'll copy the files."), bash("cp -r dist /srv/www", "cp: cannot create directory '/srv/www/dist': Permission denied", 1))
            for _ in range(3)
        ),
    ),
    _case(
        "the same failure after each edit",
        "error",
        ask("make the hook pass"),
        chain.from_iterable(
            (
                edit("lib/trace.ex", f"def t{n}", f"def t{n + 1}"),
                bash(
                    "git commit -am 'trace'",
                    "Pre-commit failed\nlib/trace.ex:91: error: pattern_match The pattern can never match the type :error",
                    1,
                ),
            )
            for n in range(4)
        ),
    ),
    _case(
        "one test red five times without an edit",
        "error",
        ask("make it green"),
        [bash("pytest tests/test_tax.py", _ASSERT.format(f"0.{n}"), 1) for n in range(5)],
    ),
    _case(
        "a patch that never applies",
        "error",
        ask("apply it"),
        [
            call(
                "apply_patch",
                f"*** Update File: main.rs\n@@\n-fn old_{n}()\n+fn new()",
                "apply_patch verification failed: Failed to find expected lines in main.rs",
                "failed",
            )
            for n in range(3)
        ],
    ),
    _case(
        "two files read in turn",
        "period",
        ask("raise prefetch"),
        [
            call("read_file", path, text)
            for _ in range(3)
            for path, text in (
                ("a.toml", _CONFIG),
                ("b.py", "def load(cfg):\n    return Queue(cfg['workers'], cfg['prefetch'], cfg['timeout'], cfg['name'])"),
            )
        ],
    ),
    _case(
        "a line flipped between two forms while two errors alternate",
        "period",
        ask("fix the build"),
        chain.from_iterable(
            (
                edit("t.ts", one, other),
                bash("npm run build", error, 2),
            )
            for _ in range(3)
            for one, other, error in (
                ("const l = x!", "const l: string = x", "t.ts(4,1): error TS2322: Type 'undefined' is not assignable"),
                ("const l: string = x", "const l = x!", "t.ts(4,9): error TS18048: 'x' is possibly 'undefined'"),
            )
        ),
    ),
    _case(
        "start, ask, stop in turn",
        "period",
        ask("get the server to answer"),
        chain.from_iterable(
            (
                bash("./serve --daemon", "started"),
                bash("./probe --once", "probe: no handler is registered for the path /", 1),
                bash("./serve --stop", "stopped"),
            )
            for _ in range(3)
        ),
    ),
    _case(
        "four looks in turn",
        "period",
        ask("find the flag"),
        [
            bash(
                f"rg {word} src",
                f"src/{word}.go:1: package {word} // first line of the file that has the word {word} in it and more of the same",
            )
            for _ in range(2)
            for word in ("flag", "option", "setting", "toggle")
        ],
    ),
    _case(
        "stash and pop in turn",
        "period",
        ask("rebase it"),
        chain.from_iterable(
            (
                bash("git stash", "Saved working directory and index state WIP on main: fix of the tax"),
                bash("git stash pop", "On branch main\nChanges not staged for commit:\n modified: tax.py\nDropped refs/stash@{0}"),
            )
            for _ in range(3)
        ),
    ),
    _case(
        "one symbol in six spellings, none found",
        "stagnation",
        ask("where is the cookie's lifetime?"),
        [
            call("Grep", f'{{"pattern": "{word}"}}', "No files found")
            for word in ("CookieLifetime", "cookieLifetime", "cookie_lifetime", "COOKIE_LIFETIME", "cookie-lifetime", "cookieLifeTime")
        ],
    ),
    _case(
        "a pattern reshuffled while the hits stay the same",
        "stagnation",
        ask("who calls it?"),
        [
            bash(
                f"rg '{pattern}' app",
                "app/main.py:14: settle(hold, price)  # the only place that settles\napp/ledger.py:80: def settle(hold: Hold, price: int) -> None:",
            )
            for pattern in ("settle", "settle\\(", "\\bsettle\\b", "settle *\\(", "def settle|settle\\(", "settle\\(.*")
        ],
    ),
    _case(
        "one page fetched under many addresses",
        "stagnation",
        ask("read the manual"),
        [
            call(
                "WebFetch",
                f'{{"url": "https://docs.example/{path}"}}',
                "Please enable JavaScript to view this page. This site needs a browser that runs scripts, and cookies switched on.",
            )
            for path in ("guide", "guide/", "guide.html", "guide/index.html", "guide?print=1", "en/guide")
        ],
    ),
    _case(
        "one line looked at through windows of the same file",
        "stagnation",
        ask("why is it slow?"),
        [
            bash(
                f"sed -n {n},{n + 40}p app.log",
                "gateway: upstream answered with nothing for the tenth time; the pool of connections is empty and stays empty",
            )
            for n in range(1, 8)
        ],
    ),
    _case(
        "one query five times among others",
        "histogram",
        ask("why no rows?"),
        chain.from_iterable(
            (
                bash(
                    "psql -c 'select count(*) from orders where open'",
                    " count \n-------\n     0\n(1 row) of the table orders, with the condition open, at isolation level read committed",
                ),
                bash(f"cat conf/{name}", f"{name} = on\n{name}_level = 3"),
            )
            for name in ("alpha", "beta", "gamma", "delta", "omega")
        ),
    ),
    _case(
        "one file five times among others",
        "histogram",
        ask("understand the router"),
        chain.from_iterable((call("read_file", "router.rb", _CONFIG), call("read_file", f"c{n}.rb", f"class C{n}\nend")) for n in range(6)),
    ),
    _case(
        "one status five times while other things are looked at",
        "histogram",
        ask("why is the branch dirty?"),
        chain.from_iterable(
            (
                bash(
                    "git status",
                    "On branch main\nUntracked files:\n  tmp.bin\nnothing added to commit but untracked files present (use git add)",
                ),
                bash(f"git log -{n}", f"commit {n} of many that were made here before"),
            )
            for n in range(1, 7)
        ),
    ),
    _case(
        "nine files read round and round for thirty calls",
        "drift",
        ask("explain the cache"),
        [call("Read", f"cache/{'abcdefghi'[(n * n + n // 9) % 9]}.go", f"package {'abcdefghi'[(n * n + n // 9) % 9]}") for n in range(60)],
    ),
    _case(
        "searches and reads that are all known already",
        "drift",
        ask("find the leak"),
        [bash(f"rg {'abcdefghijk'[(7 * n * n + n // 11) % 11]}_pool src", f"src/{(7 * n * n + n // 11) % 11}.c: pool") for n in range(80)],
    ),
    _case("the agent says it again and does nothing", "monologue", ask("add the flag"), [say("I'll now add the flag to the parser.")] * 4),
    _case(
        "the agent announces the same step in near-equal words",
        "monologue",
        ask("write the migration"),
        say("Let me write the migration file for the new column now."),
        say("Now let me write the migration file for the new column."),
        say("Let me now write the migration file for that new column."),
        say("Let me write the migration file for the new column right now."),
    ),
    _case(
        "thoughts that go in a circle",
        "monologue",
        ask("choose"),
        [Act("thinking", "I should weigh the two designs again before I decide which one to take.")] * 5,
    ),
    _case(
        "an edit block that fails to match again",
        "error",
        ask("add a check"),
        chain.from_iterable(
            (
                _block(lead, "shop/tax.py", "def total(items):\n    assert items\n    return sum(items)"),
                aider(f"Tokens: {n}k sent.\n" + _APPLY.format(n=1, file="shop/tax.py")),
            )
            for n, lead in enumerate(
                (
                    "Here is the change:",
                    "I apologize for the mistake. Here is the block:",
                    "I apologize for the confusion. Here is the corrected block:",
                )
            )
        ),
    ),
    _case(
        "two edit blocks that fail to match four times",
        "error",
        ask("use the new source"),
        chain.from_iterable(
            (
                _block(
                    "Sorry. Let me provide the correct block:", "pager/source.py", f"def total(items):\n    return sum(items) + {n % 2}"
                ),
                aider(f"Cost: $0.0{n}.\n" + _APPLY.format(n=2, file="pager/source.py")),
            )
            for n in range(4)
        ),
    ),
    _case(
        "a tool's error repeated between words of regret",
        "error",
        ask("open the page"),
        chain.from_iterable(
            (
                say(f"I apologize, I try again ({n})."),
                call(
                    "browser_navigate",
                    '{"url": "http://localhost:3000"}',
                    "Error: page.goto: Protocol error: Cannot navigate to invalid URL",
                    "failed",
                ),
            )
            for n in range(3)
        ),
    ),
)

LOOK_ALIKES: tuple[LoopCase, ...] = (
    _case(
        "a build polled with sleeps",
        None,
        ask("wait for it"),
        [
            bash("sleep 30; buildctl status 18", "build 18: running, step compile of many steps that follow after it in the pipeline")
            for _ in range(5)
        ],
    ),
    _case(
        "a run watched",
        None,
        ask("is CI green?"),
        [
            bash("gh run view 77", "run 77 in_progress: jobs lint, test and package have not yet finished, please come back later on")
            for _ in range(5)
        ],
    ),
    _case(
        "a background task asked for its output",
        None,
        ask("run it in the background"),
        [
            call(
                "BashOutput",
                '{"bash_id": "b1"}',
                "<status>running</status>\n<stdout></stdout> no new output since the last look at this shell, which still runs",
            )
            for _ in range(6)
        ],
    ),
    _case(
        "pods watched until they are ready",
        None,
        ask("deploy"),
        [
            bash(
                "kubectl get pods",
                "web-1 0/1 ContainerCreating\nweb-2 0/1 ContainerCreating\nweb-3 0/1 Pending and no restarts of any of them",
            )
            for _ in range(5)
        ],
    ),
    _case("a poll whose progress is told", None, ask("build"), [bash("imgbuild status 4", f"step {n}/9, {n * 11} %") for n in range(1, 8)]),
    _case(
        "a task's result awaited",
        None,
        ask("use an agent"),
        [
            call(
                "TaskOutput",
                '{"task_id": "t9", "block": true}',
                "retrieval_status: timeout\nstatus: running; the agent has not finished its work yet, ask for it again",
                "ok",
            )
            for _ in range(5)
        ],
    ),
    _case(
        "retries after a rate limit",
        None,
        ask("fetch all"),
        [bash("curl -sf api.example/p/2", "HTTP/2 429 Too Many Requests\nretry-after: 5", 22) for _ in range(5)],
    ),
    _case(
        "retries after a server's error",
        None,
        ask("push it"),
        [bash("git push", "remote: 503 Service Unavailable\nerror: failed to push some refs", 1) for _ in range(4)],
    ),
    _case(
        "retries after a lost connection",
        None,
        ask("install"),
        [bash("npm ci", "npm ERR! code ECONNRESET\nnpm ERR! network read ECONNRESET", 1) for _ in range(4)],
    ),
    _case(
        "retries after a timeout",
        None,
        ask("pull"),
        [bash("docker pull big/image", "net/http: TLS handshake timeout", 1) for _ in range(4)],
    ),
    _case(
        "one test after each fix, each time another failure",
        None,
        ask("make it green"),
        chain.from_iterable(
            (bash("go test ./...", f"--- FAIL: Test{name} ({n}.01s)", 1), edit("a.go", name, name * 2))
            for n, name in enumerate(("Open", "Read", "Seek", "Close", "Stat"))
        ),
    ),
    _case(
        "one green test after each step of a refactoring",
        None,
        ask("split it"),
        chain.from_iterable(
            (edit("orders.py", f"part{n}", f"piece{n}"), bash("pytest -q", f"{'.' * 60}\n214 passed in {n}.31s")) for n in range(6)
        ),
    ),
    _case(
        "the same lint after each edit",
        None,
        ask("clean up"),
        chain.from_iterable(
            (
                edit("a.ts", f"x{n}", f"y{n}"),
                bash("npm run lint", "> eslint .\n\n✔ no problems in 412 files; 0 errors, 0 warnings; cache written to the folder"),
            )
            for n in range(6)
        ),
    ),
    _case(
        "a file read again after every edit",
        None,
        ask("shorten it"),
        chain.from_iterable(
            (call("read_file", "o.py", f"# {140 - 20 * n} lines of code that grow fewer"), edit("o.py", f"a{n}", f"b{n}", "edit_file"))
            for n in range(5)
        ),
    ),
    _case(
        "acknowledgements of writes",
        None,
        ask("write the notes"),
        [call("Write", f"notes/{n}.md\n+ note {n}", "File created.") for n in range(8)],
    ),
    _case(
        "acknowledgements of a list of tasks",
        None,
        ask("go"),
        [
            call(
                "TodoWrite",
                f'{{"todos": [{{"content": "step {n}", "status": "done"}}]}}',
                "Todos have been modified successfully. Ensure that you continue to use the todo list to track your progress.",
            )
            for n in range(7)
        ],
    ),
    _case(
        "clicks that all say done",
        None,
        ask("fill in the form"),
        [
            call(
                "browser_click",
                f'{{"selector": "#field{n}"}}',
                "Clicked the element; the page did not navigate, and the snapshot that was taken is unchanged since",
            )
            for n in range(8)
        ],
    ),
    _case(
        "a status between commits",
        None,
        ask("commit in pieces"),
        chain.from_iterable(
            (bash(f"git add f{n}.py && git commit -m 'Part {n}'", f"[main {n}] Part {n}"), bash("git status --short", "")) for n in range(6)
        ),
    ),
    _case(
        "a person who asks the same four times",
        None,
        chain.from_iterable(
            (
                ask("run the demo again"),
                bash("make demo", "demo: 12 sessions, 40 items, 3 answers; all of them with their sources and the time they took"),
            )
            for _ in range(5)
        ),
    ),
    _case(
        "a person who says go on",
        None,
        chain.from_iterable((ask("continue"), say("Done with this part. Say so when I may go on.")) for _ in range(5)),
    ),
    _case(
        "a search by halves",
        None,
        ask("which commit made it slow?"),
        [
            bash(f"git checkout -q HEAD~{n} && ./bench", f"start-up {ms} ms")
            for n, ms in ((32, 410), (16, 412), (8, 1290), (12, 1284), (14, 411), (13, 1288))
        ],
    ),
    _case(
        "one load test over settings",
        None,
        ask("which pool?"),
        [bash(f"load --pool {n}", f"p95 {1000 // n} ms at {n * 30} req") for n in (4, 8, 16, 24, 32, 48)],
    ),
    _case(
        "pages of a list",
        None,
        ask("all tickets"),
        [call("mcp__tracker__list", f'{{"page": {n}}}', f'{{"items": ["APP-{n}0", "APP-{n}1"], "next": {n + 1}}}') for n in range(1, 9)],
    ),
    _case(
        "deleted names, none of them left",
        None,
        ask("is anything left of the old api?"),
        [
            call("Grep", f'{{"pattern": "{word}"}}', "No files found")
            for word in ("open_house", "Asker", "bury", "tails", "keyfirst", "favourites", "election")
        ],
    ),
    _case(
        "empty files of many packages",
        None,
        ask("read all"),
        [
            call(
                "Read", f"app/{name}/__init__.py", "<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>"
            )
            for name in ("api", "web", "cli", "mcp", "queue", "cache", "limits")
        ],
    ),
    _case(
        "many files read once",
        None,
        ask("learn the code"),
        [call("Read", f"src/m{n}.py", f"def f{n}():\n    return {n}") for n in range(40)],
    ),
    _case(
        "progress told in many words",
        None,
        ask("write the docs"),
        say("The tutorial is written. Next comes the how-to for operators."),
        say("The how-to is there, too; it has seven steps and a table of ports."),
        say("Last the reference, which is generated from the settings."),
        say("All of it is linked from the index page."),
    ),
    _case(
        "one answer to each of four questions",
        None,
        chain.from_iterable((ask(f"is {n} prime?"), say("Yes, it is prime.")) for n in (3, 5, 7, 11)),
    ),
    _case(
        "two tries that fail alike, then another way",
        None,
        ask("install"),
        bash("pip install x", _HEADER, 1),
        bash("pip install x", _HEADER, 1),
        bash("apt-get install -y libpq-dev", "Setting up libpq-dev"),
        bash("pip install x", "Successfully installed x"),
    ),
    _case(
        "format, lint and test after each edit",
        None,
        ask("carry out the plan"),
        chain.from_iterable(
            (
                edit(f"m{n}.py", "a", f"b{n}"),
                bash("ruff format .", "311 files left unchanged"),
                bash("mypy", "Success: no issues found in 311 source files"),
                bash("pytest -q", f"{200 + n} passed"),
            )
            for n in range(5)
        ),
    ),
    _case(
        "one command on many hosts",
        None,
        ask("patch them all"),
        [
            bash(
                f"ssh web{n} sudo apt-get -y upgrade",
                "Reading package lists... Done\nBuilding dependency tree... Done\n0 upgraded, 0 newly installed, 0 to remove.",
            )
            for n in range(1, 9)
        ],
    ),
    _case(
        "an edit block that fails once",
        None,
        ask("add a check"),
        _block("Here it is:", "a.py", "def total(items):\n    return 0"),
        aider(_APPLY.format(n=1, file="a.py")),
        _block("I apologize for the mistake. Corrected:", "a.py", "def total(items):\n    return 0"),
        aider("Applied edit to a.py\nCommit 1234567 feat: Add a check"),
    ),
    _case(
        "edits that are applied one after another",
        None,
        chain.from_iterable(
            (
                ask(f"handle key {key}"),
                _block("Certainly! Here's the change:", "io.py", f"def on_{key}(): ..."),
                aider(f"Applied edit to io.py\nCommit {n}abcdef feat: Handle {key}"),
            )
            for n, key in enumerate("abcd")
        ),
    ),
    _case(
        "a flaky test run five times because a person asked for it",
        None,
        ask("run the test five times and tell me how often it fails"),
        [bash("pytest tests/test_race.py -q", "1 passed in 0.2s") for _ in range(5)],
    ),
)

CASES = (*LOOPS, *LOOK_ALIKES)
