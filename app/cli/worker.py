"""`cairn worker`: runs jobs beside a team's servers. The embedded server starts its own."""

from __future__ import annotations


def worker() -> None:
    """Run a worker beside a team's servers. It reads uploaded sessions and updates the index, until it is stopped."""
    import asyncio

    import uvloop

    from app.cli.importing import collector_paused

    with collector_paused():
        from app import settings as config
        from app.cli.settings_check import warn_of_old_settings
        from app.redaction.labels import free_text
        from app.services.working import run_worker
        from app.telemetry import logs, stacks

    settings = config.load()
    logs.configure(settings.log, clean=free_text)
    stacks.write_on_signal()
    warn_of_old_settings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings))
