"""Warns about settings when a server or worker starts."""

from __future__ import annotations

import structlog

from app import settings as config

log = structlog.get_logger()


def warn_of_old_settings() -> None:
    """Log each setting that the next version won't accept: set under an older name, or withdrawn."""
    for each in config.old_names():
        log.warning("settings.renamed", old=each.where, new=each.new, reason=f"{each}.")
    for setting in config.withdrawn_settings():
        log.warning("settings.withdrawn", setting=setting.where, reason=f"{setting}.")
