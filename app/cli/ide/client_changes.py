"""Changes Cairn's own files on a developer's machine: the project in a repository's .cairn.toml, the server in client.toml."""

from __future__ import annotations

import os
from pathlib import Path

from tomlkit import TOMLDocument

from app.cli.git_files import read_checkout
from app.cli.ide.config_file import ConfigChange
from app.cli.ide.toml_edits import toml_change
from app.cli.machine import client_file
from app.cli.place import FOLDER_FILE


def folder_change(directory: Path, project: str, *, remove: bool) -> ConfigChange:
    """Name the project of the repository that a directory stands in, else of the directory; or take that name out again."""
    checkout = read_checkout(directory)

    def edit(document: TOMLDocument) -> None:
        if not remove:
            document["project"] = project
        elif document.get("project") == project:
            document.remove("project")

    return toml_change((checkout.root if checkout else directory) / FOLDER_FILE, edit, remove=remove)


def server_change() -> tuple[ConfigChange, ...]:
    """Keep the server and key that the environment names: an IDE that no shell started hasn't got them."""
    given = {"url": os.environ.get("CAIRN_URL"), "key": os.environ.get("CAIRN_KEY")}
    if not given["url"]:
        return ()

    def edit(document: TOMLDocument) -> None:
        for name, value in given.items():
            if value and document.get(name) != value:
                document[name] = value

    return (toml_change(client_file(), edit, private=True),)
