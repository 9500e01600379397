"""What a log line says of an error: where, not what it choked on."""

from __future__ import annotations

import json

from app.errors import NotFound
from app.telemetry.logs import frames_only


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
