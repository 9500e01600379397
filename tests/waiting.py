"""Waits for a condition, patiently, and says at the end what was waited for in vain and what was seen last."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType, TracebackType

from app.settings import DatabaseSettings

PATIENCE_SECONDS = 300
"""A busy machine is no fault of what is waited for."""
PATIENT_DATABASE = {"acquire_timeout_seconds": 60.0, "connect_timeout_seconds": 60.0, "statement_timeout_seconds": 120.0}
"""Settings of a database whose machine is busy: it is not away."""
MAX_STATE_CHARS = 1000


def patient_database() -> DatabaseSettings:
    """Return a database's settings with which a busy machine is no absent PostgreSQL."""
    return DatabaseSettings(**PATIENT_DATABASE)


@asynccontextmanager
async def patience(seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Let the body wait for so long. Raises AssertionError with the awaited condition as it is written, and its variables.

    For a loop that looks again and again: `async with patience(): while not …: await asyncio.sleep(…)`. A TimeoutError of
    the body's own passes as it is.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise AssertionError(f"waited {seconds:g} s in vain: {_standing(error.__cause__)}") from error


def _standing(cut: BaseException | None) -> str:
    """Tell where the body was cut: the condition of its innermost loop, or the line, and the variables named there."""
    frame, line = next(_places(cut.__traceback__ if cut else None), (None, 0))
    if frame is None:
        return "the body had not begun to wait"
    waiting = _waiting_at(Path(frame.f_code.co_filename), line)
    code = ast.unparse(waiting.test if isinstance(waiting, ast.While) else waiting)
    prefix = "while " if isinstance(waiting, ast.While) else ""
    names = dict.fromkeys(each.id for each in ast.walk(waiting) if isinstance(each, ast.Name) and each.id in frame.f_locals)
    seen = [f"{name} = {frame.f_locals[name]!r}"[:MAX_STATE_CHARS] for name in names]
    return "; ".join([f"{prefix}{code}", *seen])


def _places(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """Walk to where it was cut, outermost first, without this module."""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _waiting_at(file: Path, line: int) -> ast.stmt:
    """Find the innermost loop around a line of a file, else the statement that stands there."""
    around = [
        each
        for each in ast.walk(ast.parse(file.read_text()))
        if isinstance(each, ast.stmt) and each.lineno <= line <= (each.end_lineno or each.lineno)
    ]
    loops = [each for each in around if isinstance(each, ast.While)]
    return max(loops or around, key=lambda each: each.lineno)
