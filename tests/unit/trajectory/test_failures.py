"""Of a failed result the line is found that says what went wrong, not source code; a service's fault is told from the call's."""

from __future__ import annotations

import pytest

from app.trajectory.events.failures import error_of, is_outside, is_unavailable, tells_failed_check


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (".error { color: red; }\n.missing, .failed {\n}\nbuild failed: no such theme", "build failed: no such theme"),
        ("    raise ValueError('bad')\nValueError: bad row 7", "ValueError: bad row 7"),
        (
            "   48→ if (error) throw new Error('x');\nsrc/a.ts(3,1): error TS2304: Cannot find name 'x'.",
            "src/a.ts(3,1): error TS2304: Cannot find name 'x'.",
        ),
        ("- old error line\n+ new error line\nerror: patch does not apply", "error: patch does not apply"),
        ("<tool_use_error>File does not exist.</tool_use_error>", "File does not exist."),
        ("FAIL\n--- FAIL: TestRate (0.01s)\n    want 3", "--- FAIL: TestRate (·)"),
        ("  :error,\n  :failed,\nlib/a.ex:9: pattern can never match, an error", "lib/a.ex:9: pattern can never match, an error"),
        ('{"error": "quota is used up", "code": 7}', ""),
        ('ERROR: {"message": "no such table"}', 'ERROR: {"message": "no such table"}'),
        ("compiled\nstopped halfway", "stopped halfway"),
        ("", ""),
        ("12\n---\n", ""),
    ],
)
def test_the_line_that_says_what_failed_is_found(output: str, line: str) -> None:
    assert error_of(output) == line


def test_of_a_long_result_the_end_is_read_first() -> None:
    assert error_of("error: first of all\n" + "x = 1\n" * 2_000 + "fatal: the last word of it") == "fatal: the last word of it"


@pytest.mark.parametrize(
    "output",
    [
        "HTTP/2 429\nretry-after: 5",
        "503 Service Unavailable",
        "read ECONNRESET",
        "TLS handshake timeout",
        "litellm.InternalServerError: Overloaded",
        "API rate limit exceeded",
        "Connection reset by peer",
    ],
)
def test_a_services_fault_is_told(output: str) -> None:
    assert is_unavailable(output)


@pytest.mark.parametrize(
    "output",
    [
        "assert 429 == 200",
        "Command timed out after 120 s",
        "error in rate_limit.py line 503",
        "no such file",
        "connection string is missing",
        f"connect{'x' * 100} timeout",
        "12 passed, 429 ms",
    ],
)
def test_a_calls_own_fault_is_none_of_a_service(output: str) -> None:
    assert not is_unavailable(output)


@pytest.mark.parametrize(
    "error",
    [
        "bash: rg: command not found",
        "mkdir: cannot create directory: Permission denied",
        "fatal: Authentication failed for repo",
        "You are not logged in. Run gh auth login",
        "ENOENT: no such file or directory, posix_spawn '/bin/x'",
    ],
)
def test_what_is_missing_from_outside_is_told(error: str) -> None:
    assert is_outside(error)


@pytest.mark.parametrize("error", ["No such file or directory: a.py", "undefined: tenant", "AssertionError: 3 != 4"])
def test_a_fault_in_the_code_is_not_outside(error: str) -> None:
    assert not is_outside(error)


@pytest.mark.parametrize(
    "output",
    [
        "FAILED tests/test_till.py::test_sum - assert 2 == 1\n1 failed, 12 passed in 0.31s",
        "=========== 2 errors in 0.12s ===========",
        "E       AssertionError: assert 2 == 1",
        "Tests:       3 failed, 40 passed, 43 total",
        "  12 passing (2s)\n  1 failing",
        "5 examples, 1 failure",
        "Ran 3 tests in 0.002s\n\nFAILED (failures=1)",
        "Tests run: 9, Failures: 0, Errors: 2, Skipped: 0",
        "test result: FAILED. 7 passed; 1 failed; 0 ignored",
        "--- FAIL: TestRate (0.00s)\nFAIL\tshop/till\t0.01s",
        "not ok 4 - rounds up\n# pass 3\n# fail 1",
        "Found 3 errors in 2 files (checked 90 source files)",
        "✖ 7 problems (7 errors, 0 warnings)",
        "src/till.ts(3,1): error TS2304: Cannot find name 'x'.",
        "Failed!  - Failed:     1, Passed:    11, Skipped: 0",
    ],
)
def test_a_runners_word_that_a_check_failed_is_read(output: str) -> None:
    assert tells_failed_check(output)


@pytest.mark.parametrize(
    "output",
    [
        "12 passed, 1 xfailed in 0.31s",
        "0 failed, 12 passed",
        "Tests run: 9, Failures: 0, Errors: 0, Skipped: 0",
        "test result: ok. 7 passed; 0 failed; 0 ignored",
        "Found 3 errors (3 fixed, 0 remaining).",
        "✖ 2 problems (0 errors, 2 warnings)",
        "the worker handled 3 errors and went on\n12 passed",
        "tests/test_failures.py ....\n4 passed",
        "All checks passed!",
        "",
    ],
)
def test_a_check_that_passed_is_none_that_failed_whatever_it_logs(output: str) -> None:
    assert not tells_failed_check(output)
