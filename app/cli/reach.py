"""Opens a client of the server: of CAIRN_URL or client.toml, else of the one on this machine, which is started if need be."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.cli.announcement import in_use
from app.cli.client import ServerClient, connect
from app.cli.exits import Unreachable
from app.cli.installation import SERVER_INSTALLATION, is_light
from app.cli.machine import client_file, read_client_settings
from app.cli.server_address import data_folder, find_server, local_key, named_server, warm_url
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.settings import Settings


@asynccontextmanager
async def open_client(settings: Settings | None = None, *, team: str | None = None) -> AsyncIterator[ServerClient]:
    """Yield a client of the server. Raises Unreachable if there is none and none can be started, ConfigurationError without a key.

    `settings`: those of the environment, unless given.
    """
    client_settings = read_client_settings()
    named = named_server(client_settings)
    if named is None and is_light():
        named = find_server(client_settings)
        if named is None:
            raise Unreachable(
                "No server is known, and this installation has only the client. Set CAIRN_URL and CAIRN_KEY to your team's server, or"
                f" install one here: {SERVER_INSTALLATION}."
            )
    if named is None:
        with in_use(data_folder()) as usable:
            url = warm_url() if usable and settings is None else None
            if url is not None:
                async with connect(url, local_key(data_folder()), team=team) as client:
                    yield client
                return
        from app.cli.local_server import open_local

        async with open_local(settings or _settings(), team=team) as client:
            yield client
        return
    key = named.key or _admin_key(settings)
    if not key:
        source = "CAIRN_URL" if os.environ.get("CAIRN_URL") else client_file()
        raise ConfigurationError(f"{source} names the server at {named.url}, but there is no key for it: set CAIRN_KEY to yours.")
    async with connect(named.url, key, team=team) as client:
        yield client


def _admin_key(settings: Settings | None) -> str | None:
    if is_light():
        return None
    from app.cli.local_server import set_admin_key

    return set_admin_key(settings or _settings())


def _settings() -> Settings:
    from app.settings import load

    return load()
