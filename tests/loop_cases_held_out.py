"""More hand-labelled sequences, written after the ladder was built and not used to set it: how far its rules go beyond their first examples."""

from __future__ import annotations

from itertools import chain

from tests.loop_cases import LoopCase, ask, bash, call, edit, say


def _case(name: str, rung: str | None, *acts: object) -> LoopCase:
    flat = chain.from_iterable([act] if not isinstance(act, (list, tuple, chain)) else act for act in acts)
    return LoopCase(name, rung, tuple(flat))


_PLAN = "Plan: 0 to add, 3 to change, 0 to destroy.\nmodule.dns.record[0] will be updated in place\nmodule.dns.record[1] will be updated in place"
_BORROW = "error[E0502]: cannot borrow `self.items` as mutable because it is also borrowed as immutable\n  --> src/store.rs:48:9"
_MISSING = "{'error': 'relation \"invoice\" does not exist'}"

HELD_OUT: tuple[LoopCase, ...] = (
    _case("one plan of infrastructure five times", "exact", ask("apply the dns change"), [bash("terraform plan", _PLAN) for _ in range(5)]),
    _case(
        "a browser's snapshot again and again",
        "exact",
        ask("log in"),
        [
            call(
                "browser_snapshot",
                "{}",
                "- heading Sign in\n- textbox E-mail\n- textbox Password\n- button Continue\n- link Forgot your password?",
            )
            for _ in range(4)
        ],
    ),
    _case(
        "a table described four times, told why each time",
        "exact",
        ask("add the column"),
        chain.from_iterable(
            (
                say(f"Reason {n} why I need the schema: {'abcd'[n]}{'efgh'[n]} columns."),
                call(
                    "sql",
                    '{"query": "describe orders"}',
                    "id bigint, customer bigint, total numeric(12,2), placed_at timestamptz, state text not null default open",
                ),
            )
            for n in range(4)
        ),
    ),
    _case(
        "the borrow checker's same words after each edit",
        "error",
        ask("make it compile"),
        chain.from_iterable((edit("src/store.rs", f"let a{n}", f"let mut a{n}"), bash("cargo build", _BORROW, 101)) for n in range(4)),
    ),
    _case(
        "a query on a table that isn't there",
        "error",
        ask("count invoices"),
        [call("run_sql", f'{{"sql": "select count(*) from invoice where y = {n}"}}', f"ERROR: {_MISSING}", "failed") for n in (1, 1, 1, 1)],
    ),
    _case(
        "a search tool that can't be spawned",
        "error",
        ask("find it"),
        [call("Grep", '{"pattern": "retry"}', "ENOENT: no such file or directory, posix_spawn '/usr/lib/rg'", "failed") for _ in range(3)],
    ),
    _case(
        "a git hook that refuses with one message",
        "error",
        ask("commit"),
        [
            bash(f"git commit -m 'fix{n}'", "commit-msg hook failed: subject must begin with a ticket, like ABC-12", 1)
            for n in ("", " it", " it now", " the thing")
        ],
    ),
    _case(
        "open and close in turn",
        "period",
        ask("why is the dialog empty?"),
        chain.from_iterable(
            (
                call(
                    "browser_click",
                    '{"ref": "open"}',
                    "Dialog is shown: title Export, body empty, two buttons Cancel and Export, neither of them enabled now",
                ),
                call(
                    "browser_click",
                    '{"ref": "cancel"}',
                    "Dialog is hidden: the page shows the list of reports, twelve rows, the first of them is selected and focused",
                ),
            )
            for _ in range(3)
        ),
    ),
    _case(
        "three configuration files read in turn",
        "period",
        ask("where is the port set?"),
        [
            call(
                "read_file",
                f"conf/{name}.yaml",
                f"{name}:\n  host: localhost\n  retries: 3\n  timeout: 30\n  labels: [one, two, three, four, five, six]",
            )
            for _ in range(2)
            for name in ("base", "dev", "prod")
        ],
    ),
    _case(
        "globs that all give the same two files",
        "stagnation",
        ask("where are the styles?"),
        [
            call("Glob", f'{{"pattern": "{p}"}}', "web/src/theme/colors.css\nweb/src/theme/typography-and-spacing-tokens-of-the-design.css")
            for p in ("**/*.css", "web/**/*.css", "web/src/**/*.css", "**/theme/*", "web/src/theme/*", "**/theme/*.css")
        ],
    ),
    _case(
        "one trace looked at again between other looks",
        "histogram",
        ask("why the 500?"),
        chain.from_iterable(
            (
                call(
                    "get_trace",
                    '{"id": "t1"}',
                    "POST /pay 500: upstream ledger answered 409 conflict for idempotency key k-9 after two milliseconds of waiting",
                ),
                bash(f"rg handler{n} src", f"src/h{n}.py: def handler{n}(request): ..."),
            )
            for n in range(5)
        ),
    ),
    _case(
        "an announcement in other words each time, without a deed",
        "monologue",
        ask("start the migration"),
        say("I will start the migration of the users table now."),
        say("Now I will start the migration of the users table."),
        say("I'll now start the migration of the users table."),
        say("I will now start the migration of the users table."),
    ),
    _case(
        "a deployment watched by its own command",
        None,
        ask("deploy"),
        [
            bash(
                "flyctl status --app shop",
                "app shop: 1 of 3 machines started, two more are being replaced, health checks are pending for each",
            )
            for _ in range(5)
        ],
    ),
    _case(
        "a queue looked at with waits between",
        None,
        ask("wait until it is empty"),
        chain.from_iterable((bash("sleep 20", ""), bash("redis-cli llen jobs", "(integer) 140")) for _ in range(5)),
    ),
    _case(
        "a model's endpoint that is overloaded",
        None,
        ask("label them"),
        [bash("python label.py", "anthropic.InternalServerError: Error code: 529 - overloaded_error", 1) for _ in range(4)],
    ),
    _case(
        "snapshot tests updated one after another",
        None,
        ask("update them"),
        chain.from_iterable((bash(f"npx vitest run {n}.spec.ts -u", f"Snapshots 1 updated\nTest Files 1 passed ({n})"),) for n in range(6)),
    ),
    _case(
        "a type error count that falls",
        None,
        ask("fix all types"),
        chain.from_iterable(
            (
                edit(f"m{n}.ts", "any", f"T{n}"),
                bash(
                    "npx tsc --noEmit",
                    f"m{n + 1}.ts(3,1): error TS7006: Parameter 'x{n}' implicitly has an 'any' type.\nFound {20 - n} errors.",
                    2,
                ),
            )
            for n in range(6)
        ),
    ),
    _case(
        "a file grown by appending",
        None,
        ask("write the long report"),
        [bash(f"cat >> report.md <<'EOF'\nSection {n}\nEOF", "") for n in range(8)],
    ),
    _case(
        "messages sent to a channel",
        None,
        ask("tell each team"),
        [call("mcp__chat__post_message", f'{{"channel": "team-{n}", "text": "The release is out."}}', '{"ok": true}') for n in range(8)],
    ),
    _case(
        "tickets closed one by one",
        None,
        ask("close the stale ones"),
        [
            call(
                "mcp__tracker__update_issue",
                f'{{"issue": "APP-{n}", "state": "closed"}}',
                f"Issue APP-{n} was updated: the state is closed now, and its watchers have been told by mail.",
            )
            for n in range(8)
        ],
    ),
    _case(
        "a tutorial's steps explained on request",
        None,
        chain.from_iterable((ask("and then?"), say(f"Then step {n}: press Next and wait for the page.")) for n in range(5)),
    ),
    _case(
        "keys pressed in a list",
        None,
        ask("choose the tenth entry"),
        [call("browser_press_key", '{"key": "ArrowDown"}', "Pressed.") for _ in range(9)],
    ),
    _case(
        "read, edit, read, edit of two files",
        None,
        ask("rename it in both"),
        chain.from_iterable(
            (call("Read", f, f"{f} version {n}"), edit(f, f"old{n}", f"new{n}")) for n in range(3) for f in ("a.py", "b.py")
        ),
    ),
    _case(
        "numbers of a benchmark that is run five times on purpose",
        None,
        ask("run it five times, I want the spread"),
        [bash("./bench", f"{n * 7 + 400} ops, {n}.{n} MB") for n in range(5)],
    ),
    _case(
        "the build after every merge of a stack",
        None,
        ask("merge the stack"),
        chain.from_iterable(
            (
                bash(f"git merge --no-edit part-{n}", f"Merge made by the 'ort' strategy. {n} files changed"),
                bash("make build", "go build ./...\nok: the binaries api, worker and migrate were written to bin/"),
            )
            for n in range(5)
        ),
    ),
    _case(
        "two empty searches, then another place",
        None,
        ask("where is it?"),
        call("Grep", '{"pattern": "Mailer"}', "No files found"),
        call("Grep", '{"pattern": "mailer"}', "No files found"),
        call("Glob", '{"pattern": "**/*mail*"}', "app/post/letters.py"),
        call("Read", "app/post/letters.py", "class Letters: ..."),
    ),
)
