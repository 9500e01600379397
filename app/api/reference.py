"""The OpenAPI description and the page that shows it: each rendered once, then served from memory. Both take no key."""

from __future__ import annotations

import json

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import Response

DESCRIPTION_PATH, DOCS_PATH = "/openapi.json", "/docs"


def install(app: FastAPI) -> None:
    """Add both routes. The description is rendered at the first request, when all routes are registered."""
    written: list[bytes] = []
    page = get_swagger_ui_html(openapi_url=DESCRIPTION_PATH, title=f"{app.title} - Swagger UI").body

    async def description() -> Response:
        if not written:
            written.append(json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode())
        return Response(written[0], media_type="application/json")

    async def docs() -> Response:
        return Response(bytes(page), media_type="text/html")

    for path, endpoint in ((DESCRIPTION_PATH, description), (DOCS_PATH, docs)):
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)
