"""Warns about settings when a server or worker starts."""

from __future__ import annotations

import structlog

from app import settings as config

log = structlog.get_logger()


def warn_of_old_names() -> None:
    """Log each setting that is set under a name that the next version won't read."""
    for each in config.old_names():
        log.warning("settings.renamed", old=each.where, new=each.new, reason=f"{each}.")
