"""What a log line says of an error: where, not what it choked on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import NotFound
from app.telemetry.logs import frames_only, json_line, plain_line

ROOT = Path(__file__).resolve().parents[3]
Render = Callable[[object, str, dict[str, Any]], str]


def line(error: Exception, exc_info: object = True) -> dict[str, object]:
    try:
        raise error
    except Exception:
        return dict(frames_only(None, "error", {"event": "x", "exc_info": exc_info}))


def test_an_errors_own_words_are_not_logged() -> None:
    made = line(ValueError("the prompt: my password is hunter2"))
    assert made["error"] == "ValueError"
    assert "hunter2" not in json.dumps(made)
    assert "test_logs.py" in str(made["frames"])


def test_our_own_errors_are_logged_with_their_words() -> None:
    made = line(NotFound("There is no job 7."))
    assert (made["code"], made["reason"]) == ("not_found", "There is no job 7.")


def test_every_spelling_of_exc_info_is_understood() -> None:
    error = ValueError("x")
    for spelling in (True, error, (ValueError, error, None)):
        assert line(error, spelling)["error"] == "ValueError"


def test_a_line_without_an_error_stays_as_it_is() -> None:
    assert dict(frames_only(None, "info", {"event": "x"})) == {"event": "x"}


@pytest.mark.parametrize("render", [json_line, plain_line])
@pytest.mark.parametrize(
    "value", ["a\nb", "a\r\nINFO forged", "\u2028x", "\x1b[31mred", "\ud800", "", "a b", "k=v", 7, None, {"a": [1]}, object()]
)
def test_one_event_is_one_line_whatever_stands_in_it(render: Render, value: object) -> None:
    made = render(None, "", {"event": "x.y", "level": "info", "timestamp": "t", "value": value, "more": value})
    assert not {"\n", "\r"} & set(made)
    assert "\x1b" not in made
    assert made.encode()


def test_a_plain_line_reads_as_the_consoles() -> None:
    made = plain_line(
        None, "", {"timestamp": "t", "level": "info", "event": "http.answered", "method": "GET", "ms": 1.5, "why": "two words"}
    )
    assert made == f"t [info    ] {'http.answered':<30} method=GET ms=1.5 why='two words'"


def test_a_json_line_keeps_its_order_and_its_types() -> None:
    made = json_line(None, "", {"event": "x", "ms": 1.5, "names": ["ä"], "at": Path("/x")})
    assert made == '{"event":"x","ms":1.5,"names":["ä"],"at":"' + "PosixPath('/x')" + '"}'


@pytest.mark.parametrize("format", ["json", "console"])
def test_our_lines_and_other_libraries_come_in_one_shape(format: str) -> None:
    code = (
        "import logging, structlog\nfrom app.telemetry import logs\nfrom app.settings import LogSettings\n"
        f"logs.configure(LogSettings(format={format!r}), clean=str)\nlogs.bind_request('r1')\n"
        "structlog.get_logger().info('ours', a=1)\nstructlog.get_logger().debug('hidden')\nlogging.getLogger('uvicorn').warning('theirs %s', 2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    ours, theirs = done.stderr.splitlines()
    assert done.stdout == ""
    for word in ("ours", "info", "r1"):
        assert word in ours
    for word in ("theirs 2", "warning", "r1"):
        assert word in theirs


def test_a_line_is_cleaned_of_secrets_whatever_key_they_stand_under() -> None:
    code = (
        "import logging, structlog\nfrom app.telemetry import logs\nfrom app.settings import LogSettings\n"
        "logs.configure(LogSettings(format='json'), clean=lambda text: text.replace('tulip-47-secret', '[gone]'))\n"
        "log = structlog.get_logger()\nlog.warning('dashboard.failed', path='/dashboard/developers/tulip-47-secret', reason='tulip-47-secret is wrong')\n"
        "logging.getLogger('aiohttp').warning('GET http://h/?key=%s', 'tulip-47-secret')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "tulip-47-secret" not in done.stderr
    assert done.stderr.count("[gone]") == 3
