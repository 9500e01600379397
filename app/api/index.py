"""Route that rebuilds the vector index from PostgreSQL, while queries use the old one. Knows no vectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import structlog
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from app.accounts.requester import Requester
from app.errors import CairnError
from app.services import Services
from app.services.operations import rebuild_index
from app.web import errors
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Admin, TheServices

log = structlog.get_logger()

router = APIRouter(prefix="/v1/index", tags=["operations"], route_class=AuthenticatedRoute)

HEARTBEAT_SECONDS = 5.0
"""Building the HNSW graphs takes minutes without progress: the last line is repeated, so that no proxy times out."""
NDJSON = "application/x-ndjson"


@router.post(
    "/rebuild",
    summary="Rebuild the vector index from PostgreSQL",
    description="Streams one JSON object a line: `{done, total}` while it runs, at the end `{points}` (items and passages) or `{error}`. "
    "Queries use the old index until the new one replaces it. Closing the connection cancels the rebuild, and the old index stays.",
    response_class=StreamingResponse,
    responses={
        200: {"content": {NDJSON: {"example": '{"done":256,"total":10000}\n{"points":10000}\n'}}, "description": "Progress"},
        **responses(),
    },
)
async def rebuild(services: TheServices, admin: Admin) -> StreamingResponse:
    return StreamingResponse(_progress(services, admin), media_type=NDJSON)


async def _progress(services: Services, requester: Requester) -> AsyncIterator[bytes]:
    """Run the rebuild and yield its progress. The stream owns the task: a client that disconnects cancels it."""
    now = {"done": 0, "total": 0}
    news = asyncio.Event()

    def progress(done: int, total: int) -> None:
        now.update(done=done, total=total)
        news.set()

    task = asyncio.create_task(rebuild_index(services, requester, progress), name="rebuild")
    task.add_done_callback(lambda _: news.set())
    try:
        while not task.done():
            yield _line(now)
            news.clear()
            await _wait(news)
        yield _last(task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _last(task: asyncio.Task[int]) -> bytes:
    try:
        return _line({"points": task.result()})
    except CairnError as error:
        return _line(errors.body_of(error))
    except Exception:
        log.exception("index.rebuild_failed")
        return _line(
            errors.body_of(
                CairnError(
                    "The rebuild failed, and the old index stays. Try again. If it happens again, give an admin the request id: with "
                    "it they find the cause in the server's log."
                )
            )
        )


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            await news.wait()
    except TimeoutError:
        return


def _line(value: Mapping[str, object]) -> bytes:
    return to_json(value) + b"\n"
