"""Structured logs: dotted events with keys and values, on standard error. Never a prompt, a text or a key.

A traceback is written as its frames and the error's class, without the error's own words: those of a database or a parser
quote what they choked on.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import msgspec
import structlog

from app.errors import CairnError
from app.settings import LogSettings

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PLAIN = re.compile(r"""[^\s"'=\x00-\x1f\x7f-\x9f\ud800-\udfff]+""")
BOUNDED = frozenset({"http.answered"})
"""A line for every request, whose values are the server's own or were checked where they came in: names, templates, the request's id."""
OUR_OWN = frozenset({"timestamp", "level", "request_id"})
MIN_SECRET_CHARS = 8
FRAMES = 12
"""The number of innermost frames of a traceback that are logged: the rest is the framework's."""


def configure(settings: LogSettings, *, clean: Callable[[str], str]) -> None:
    """Configure logging: our own lines straight to standard error, those of the standard library's loggers in the same shape.

    Safe to call again.

    `clean` takes secrets out of a text: each line passes it, whatever a name, an address or a library's words hold.
    A line through the standard library's LogRecord cost three times as much: 4 to 5 % of what a server can do.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        frames_only,
        _cleaned(clean),
    ]
    level, colours = LEVELS[settings.level], sys.stderr.isatty()
    renderer: structlog.typing.Processor = json_line
    if settings.format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=True, event_key="event", sort_keys=False) if colours else plain_line
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _standard_library(shared, renderer, level)


def json_line(logger: object, name: str, event: MutableMapping[str, Any]) -> str:  # noqa: ARG001 - structlog's protocol
    """Render an event as one line of JSON; values of types that JSON doesn't know are written with `repr`."""
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (TypeError, ValueError, UnicodeEncodeError):  # keys that are no text, half characters
        return json.dumps(event, default=repr)


def plain_line(logger: object, name: str, event: MutableMapping[str, Any]) -> str:  # noqa: ARG001
    """Render an event as one line of text without colours, `time [level] event key=value`; values that could break the line are quoted."""
    head = f"{event.pop('timestamp', '')} [{event.pop('level', ''):<8}] {event.pop('event', '')!s:<30}"
    return _one_line(f"{head} {' '.join(f'{key}={_word(value)}' for key, value in event.items())}".rstrip())


def _word(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if PLAIN.fullmatch(text) else repr(text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def bind_request(request_id: str) -> None:
    """Let every line from here on, in this request's tasks, carry its id."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)


def frames_only(
    logger: object,  # noqa: ARG001 - structlog's protocol
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> Mapping[str, Any]:
    """Replace `exc_info` by `error` (the class; our own errors' code and message too) and `frames`."""
    error = _error(event.pop("exc_info", None))
    if error is None:
        return event
    event["error"] = type(error).__name__
    if isinstance(error, CairnError):
        event.update(code=error.code, reason=error.message)
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _cleaned(clean: Callable[[str], str]) -> structlog.typing.Processor:
    def without_secrets(logger: object, name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001 - structlog's protocol
        if event.get("event") in BOUNDED:
            return event
        for key, value in event.items():
            if isinstance(value, str) and key not in OUR_OWN and len(value) >= MIN_SECRET_CHARS:
                event[key] = clean(value)
        return event

    return without_secrets


def _error(exc_info: object) -> BaseException | None:
    """Return the error of `exc_info` in any of logging's spellings: True, the error, or its triple."""
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case _:
            return sys.exc_info()[1] if exc_info else None


def _standard_library(shared: list[structlog.typing.Processor], renderer: structlog.typing.Processor, level: int) -> None:
    """Log warnings and worse of uvicorn, asyncio, SQLAlchemy and the rest in the same shape."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "asyncio", "sqlalchemy", "aiohttp", "qdrant_client", "httpx", "alembic", "mcp"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
