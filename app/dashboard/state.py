"""State that the pages of one server share: templates, files, live feeds, failed sign-ins."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from app.dashboard.assets import Assets
from app.dashboard.live import LiveFeeds
from app.dashboard.rendering import Renderer
from app.dashboard.throttle import Throttle
from app.settings import Settings
from app.web.fair_turns import FairTurns

WRONG_KEYS: Final = "This key is not valid, and too many wrong keys came from your address."
FAILED_RETURNS: Final = "Too many sign-ins with the provider failed from your address: sign in with your key."


class DashboardState:
    """One server's: made once, with the application."""

    def __init__(self, settings: Settings) -> None:
        options = settings.dashboard
        self.assets = Assets()
        self.renderer = Renderer(self.assets, time_zone=settings.budget.time_zone)
        tries, seconds = options.sign_in_tries, options.sign_in_minutes * 60
        self.wrong_keys = Throttle(WRONG_KEYS, tries=tries, seconds=seconds)
        self.failed_returns = Throttle(FAILED_RETURNS, tries=tries, seconds=seconds)
        self.pages = FairTurns()
        self.live = LiveFeeds(max_feeds=options.max_live, seconds=options.live_seconds)


def state_of(request: Request) -> DashboardState:
    found = request.app.state.dashboard
    assert isinstance(found, DashboardState)
    return found
