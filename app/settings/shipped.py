"""Finds the files that ship with the code: `config/`, `migrations/`, `examples/` and `alembic.ini`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_APP = Path(__file__).resolve().parents[1]
_BUNDLED = _APP / "bundled"
"""The folder that setup.py copies them to in a wheel. In the repository, and for an editable installation, there is no such folder."""

ROOT: Final = _BUNDLED if _BUNDLED.is_dir() else _APP.parent
"""The folder that has these files: the repository, or in an installed wheel `app/bundled`."""
