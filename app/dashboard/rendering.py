"""Renders templates to pages. Every page has the same strict headers: only our own files may be run (CSP)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from app.clock import age_in_words
from app.dashboard import formatting
from app.dashboard.assets import Assets
from app.dashboard.visitor import Visitor

TEMPLATES = Path(__file__).parent / "templates"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


PIECES_AT_ONCE = 250
"""Template pieces between two yields to the event loop: a table of 500 rows takes tens of milliseconds."""


class Renderer:
    """Renders pages. Templates are loaded and compiled once, so that no request reads a file."""

    def __init__(self, assets: Assets, *, time_zone: str) -> None:
        sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.html"))}
        self._env = Environment(
            loader=DictLoader(sources), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.zone = ZoneInfo(time_zone)
        self._env.globals.update(
            asset=assets.url,
            money=formatting.money,
            dollars=formatting.dollars,
            count=formatting.count,
            short_count=formatting.short_count,
            percent=formatting.percent,
            age=age_in_words,
            permille=formatting.permille,
            milliseconds=formatting.milliseconds,
            change=formatting.change,
            day=formatting.day,
            short_day=formatting.short_day,
            moment=lambda at, today=None: formatting.moment(at, self.zone, today=today),
            name=formatting.name,
            plain_name=formatting.plain_name,
            typed=formatting.typed,
            in_path=lambda text: quote(text, safe=""),
            json=_json,
            zone=time_zone,
        )
        for name in sources:
            self._env.get_template(name)

    async def page(
        self,
        template: str,
        visitor: Visitor | None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        pieces = []
        for number, piece in enumerate(self._env.get_template(template).generate(visitor=visitor, **context)):
            pieces.append(piece)
            if number % PIECES_AT_ONCE == PIECES_AT_ONCE - 1:
                await asyncio.sleep(0)
        content = "".join(pieces)
        return HTMLResponse(content, status_code=status, headers={**HEADERS, **(headers or {})})


def _json(value: object) -> Markup:
    """Encode data for a script element, escaped so that it can't end the element."""
    raw = msgspec.json.encode(value).decode()
    return Markup(raw.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped here
