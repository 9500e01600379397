"""Static scripts and styles, all our own. URLs carry a content hash, so browsers cache them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from app.errors import NotFound

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    packed: bytes
    kind: str
    digest: str


class Assets:
    """All static files by name."""

    def __init__(self) -> None:
        self._assets: Mapping[str, Asset] = {path.name: _asset(path) for path in sorted(STATIC.iterdir()) if path.suffix in TYPES}

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
