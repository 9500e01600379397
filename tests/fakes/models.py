"""The exported model, shared by all tests of one machine: its export takes seconds, and its folder checks itself by digests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def models_folder() -> Path:
    """Where tests and measurements keep the exported model (`app.embeddings.model.exported` fills it)."""
    return Path(tempfile.gettempdir()) / f"cairn-test-models-{os.getuid()}"
