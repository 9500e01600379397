"""Static scripts and styles: our own, and Chart.js from its installed package. URLs carry a content hash, so browsers cache them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

from starlette.responses import Response

from app.errors import ConfigurationError, NotFound

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
LIBRARY, PACKAGE, WITHIN = "chart.js", "chartkick", "chartkick/django/static/chartkick/Chart.bundle.js"
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    packed: bytes
    kind: str
    digest: str


class Assets:
    """All static files by name. ConfigurationError where the chart library isn't installed."""

    def __init__(self) -> None:
        found = {path.name: path for path in sorted(STATIC.iterdir()) if path.suffix in TYPES}
        self._assets: Mapping[str, Asset] = {name: _asset(path) for name, path in (found | {LIBRARY: _library()}).items()}

    def url(self, name: str) -> str:
        return f"/dashboard/assets/{self._assets[name].digest}/{name}"

    def answer(self, digest: str, name: str, *, packed: bool) -> Response:
        """Serve a file, whatever its digest; only the current digest is cacheable. NotFound for an unknown name."""
        asset = self._assets.get(name)
        if asset is None:
            raise NotFound("There is no such file in this version: reload the page.")
        keep = FOR_EVER if digest == asset.digest else "no-cache"
        headers = {"cache-control": keep, "x-content-type-options": "nosniff", "vary": "accept-encoding"}
        if packed:
            return Response(asset.packed, media_type=asset.kind, headers=headers | {"content-encoding": "gzip"})
        return Response(asset.content, media_type=asset.kind, headers=headers)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, gzip.compress(content, 9, mtime=0), TYPES[path.suffix], digest)


def _library() -> Path:
    """Locate Chart.js without importing its package, whose Python code is for other frameworks."""
    for each in files(PACKAGE) or ():
        if str(each) == WITHIN:
            return Path(str(each.locate()))
    raise ConfigurationError(f"The package {PACKAGE} lacks {WITHIN}: install Cairn again with its constraints.txt.")
