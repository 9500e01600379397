"""Tells whether Cairn is installed as a client alone, or with the server."""

from __future__ import annotations

from importlib.util import find_spec

SERVER_PACKAGE = "pydantic_settings"
"""A package of the extra `server`, without which no setting can be read."""


SERVER_INSTALLATION = "in a copy of Cairn's repository pip install '.[server]', or pip install 'cairn-….whl[server]' of its wheel"
"""The ways to install the server too, for messages."""
FRESHNESS_INSTALLATION = "in a copy of Cairn's repository pip install '.[freshness]', or pip install 'cairn-….whl[freshness]' of its wheel"
"""The ways to install what `cairn freshness` needs beside the client."""


def is_light() -> bool:
    """Tell whether this installation is a client alone, without the server's packages."""
    return find_spec(SERVER_PACKAGE) is None
