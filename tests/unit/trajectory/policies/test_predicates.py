"""Predicates: what a step is said to be, by its tool, its input and its result."""

from __future__ import annotations

from time import perf_counter

import pytest

from app.trajectory.events.steps import SessionStep
from app.trajectory.policies.claims import says_done
from app.trajectory.policies.predicates import BITS, PREDICATES
from app.trajectory.policies.readings import own_predicate, reading_of
from app.trajectory.policies.shell_acts import acts_of
from tests.unit.trajectory.policies.session_steps import called, edited, prompted, ran, read, replied


def held(step: SessionStep) -> set[str]:
    letter = reading_of(step).letter
    return {word for word, bit in BITS.items() if letter & bit}


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("git commit -am 'till'", "commits"),
        ("cd api && git -C .. commit -m x", "commits"),
        ("GIT_EDITOR=true git -c user.name=a commit --amend", "commits"),
        ("git push origin main", "pushes"),
        ("git push --force origin main", "force_pushes"),
        ("git push -uf origin till", "force_pushes"),
        ("git push origin +till", "force_pushes"),
        ("rm tests/test_till.py", "deletes_test"),
        ("git rm -r --cached tests/", "deletes_test"),
        ("rm -f src/till.spec.ts", "deletes_test"),
        ("pytest -q && git commit -m x", "checks"),
        ("pytest -q && git commit -m x", "commits"),
        ("sed -i s/a/b/ till.py", "edits_code"),
        ("sed -i s/a/b/ till.py", "edits_in_place"),
        ("echo 'x = 1' > depot.py", "edits_code"),
        ("cat till.py", "reads"),
        ("go test ./...", "tests"),
        ("go build ./...", "builds"),
        ("npm run build", "builds"),
    ],
)
def test_a_command_line_does_what_its_commands_do(line: str, word: str) -> None:
    assert word in held(ran(1, line))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("git push --force-with-lease", "force_pushes"),
        ("git push origin feature-f", "force_pushes"),
        ("echo 'git push --force'", "force_pushes"),
        ("git commit --dry-run", "commits"),
        ("git log --grep commit", "commits"),
        ("cat > notes.md <<'EOF'\ngit push --force\ngit commit -m x\nEOF", "force_pushes"),
        ("cat > notes.md <<'EOF'\ngit push --force\ngit commit -m x\nEOF", "commits"),
        ("rm /tmp/test_scratch.py", "deletes_test"),
        ("rm -rf node_modules/x/test", "deletes_test"),
        ("rm latest.log", "deletes_test"),
        ("grep -n x till.py 2>/dev/null", "edits"),
        ("ruff check .", "tests"),
        ("sed -n 1,20p till.py", "edits"),
    ],
)
def test_a_command_line_isnt_taken_for_more(line: str, word: str) -> None:
    assert word not in held(ran(1, line))


def test_what_failed_or_was_refused_took_no_effect() -> None:
    assert "commits" not in held(ran(1, "git commit -m x", outcome="failed"))
    assert "edits" not in held(edited(1, "till.py", outcome="failed"))
    assert "force_pushes" in held(ran(1, "git push -f", outcome="failed"))
    assert "force_pushes" not in held(ran(1, "git push -f", outcome="rejected"))


def test_an_edit_knows_code_tests_and_whether_the_file_was_there() -> None:
    assert {"edits", "edits_code", "edits_in_place"} <= held(edited(1, "/shop/till.go"))
    assert "edits_code" not in held(edited(1, "README.md"))
    assert "edits_test" in held(edited(1, "src/till_test.go"))
    assert "writes" in held(called(1, "Write", "depot.py\n+ x = 1", files=("depot.py",)))
    assert "edits_in_place" not in held(called(1, "Write", "depot.py\n+ x = 1", files=("depot.py",)))


@pytest.mark.parametrize(
    ("path", "old", "new", "weakens"),
    [
        ("test_till.py", "def test_a():\n    assert a() == 2", "def test_a():\n    a()", True),
        ("test_till.py", "def test_a():\n    assert a() == 2", "@pytest.mark.skip\ndef test_a():\n    assert a() == 2", True),
        ("till.spec.ts", "it('adds', () => {\n  expect(x).toBe(3)\n})", "", True),
        ("till.spec.ts", "it('adds', () => {", "it.skip('adds', () => {", True),
        ("till_test.go", '\tif got != 3 {\n\t\tt.Errorf("got %d", got)\n\t}', "\t_ = got", True),
        ("till_test.go", '\tif err != nil {\n\t\tt.Fatalf("open: %v", err)\n\t}', "\t// opened before", False),
        ("test_till.py", "    assert a() == 2\n    assert b() == 3", "    assert (a(), b()) == (2, 3)", False),
        ("test_till.py", "    assert a() == 2", "    assert a() == 3", False),
        ("till.py", "assert a() == 2", "a()", False),
        ("test_till.py", "    assert a() == 2", "    # assert a() == 2", True),
    ],
)
def test_a_test_that_checks_less_is_noticed(path: str, old: str, new: str, weakens: bool) -> None:
    assert ("weakens_test" in held(edited(1, path, old, new))) is weakens


def test_arguments_that_come_as_json_are_read_too() -> None:
    assert "force_pushes" in held(ran(1, '{"command": "cd api && git push -f"}'))
    changed = '{"file_path": "test_till.py", "old_string": "assert a() == 2", "new_string": "a()"}'
    assert {"weakens_test", "edits_in_place"} <= held(called(1, "Edit", changed, files=("test_till.py",)))


def test_an_edit_that_was_cut_off_concludes_nothing() -> None:
    assert "weakens_test" not in held(edited(1, "test_till.py", "    assert a() == 2\n" * 200, "pass"))


@pytest.mark.parametrize(
    "text",
    [
        "Done. The till adds up now.",
        "All tests pass.",
        "I've fixed the rounding.",
        "The migration is now complete.",
        "## Summary\n\nEverything works",
        "已完成，全部修复。",
        "Listo.",
    ],
)
def test_a_reply_says_that_the_work_is_done(text: str) -> None:
    assert says_done(text)


@pytest.mark.parametrize(
    "text",
    [
        "Now that the parser is read, let me look at the till.",
        "I've fixed the rounding. Now let me run the tests:",
        "Done with the till. Next I'll change the depot.",
        "I've implemented it, but haven't run the tests.",
        "Is the migration complete?",
        "What was done before?",
        "",
    ],
)
def test_a_reply_that_goes_on_or_holds_back_says_it_not(text: str) -> None:
    assert not says_done(text)


def test_a_subagents_reply_ends_no_work() -> None:
    assert held(replied(1, "Done.", sidechain=True)) == {"says", "in_subagent"}


def test_files_are_named_without_their_folders() -> None:
    assert reading_of(edited(1, "C:\\shop\\src\\till.py")).files == ("till.py",)
    assert reading_of(read(1, "/shop/src/till.py")).files == ("till.py",)
    assert reading_of(ran(1, "sed -n '1,9p' src/till.py | head")).files == ("till.py",)
    assert reading_of(prompted(1, "look at @src/till.py and depot.ts, please")).files == ("till.py", "depot.ts")


@pytest.mark.parametrize(
    ("word", "value", "step", "holds"),
    [
        ("tool", "bash", ran(1, "ls"), True),
        ("tool", "bash", read(1, "a.py"), False),
        ("command", "terraform apply", ran(1, "cd infra && terraform apply -auto-approve"), True),
        ("command", "terraform apply", ran(1, "terraform plan"), False),
        ("path", "*.sql", edited(1, "db/0001.sql"), True),
        ("path", "migrations/*.sql", edited(1, "/shop/migrations/0001.sql"), True),
        ("path", "migrations/*.sql", edited(1, "/shop/db/0001.sql"), False),
    ],
)
def test_a_predicate_with_a_value_compares_it(word: str, value: str, step: SessionStep, holds: bool) -> None:
    assert own_predicate(word, value)(reading_of(step)) is holds


@pytest.mark.parametrize(
    "text", ["done" * 500, "\n" * 2000, "<<a " * 500, "'" * 1999, "git " * 500, "if err != nil {" * 130, ". " * 1000, "a.py " * 400]
)
def test_hostile_text_is_read_in_bounded_work(text: str) -> None:
    begun = perf_counter()
    for step in (ran(1, text), edited(1, "test_a.py", text, text), replied(1, text), prompted(1, text)):
        reading_of(step)
    acts_of(text)
    assert perf_counter() - begun < 30  # a hang, not a timing


def test_every_predicate_can_hold() -> None:
    steps = [
        *(ran(1, line) for line in ("pytest", "go build", "make up", "git commit -m x", "git push -f", "rm tests/test_a.py", "cat a.py")),
        *(ran(1, "pytest", outcome=each) for each in ("failed", "rejected")),
        called(1, "Bash", "make up", outcome="failed", output="HTTP 429 Too Many Requests"),
        edited(1, "test_a.py", "assert a", "a"),
        called(1, "Write", "a.py\n+ x", files=("a.py",)),
        called(1, "TodoWrite", "{}"),
        replied(1, "Done.", sidechain=True),
        replied(1, "Done."),
        prompted(1, "see a.py"),
    ]
    assert set().union(*map(held, steps)) == set(PREDICATES)
