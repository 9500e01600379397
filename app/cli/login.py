"""`cairn login`, `logout`, `whoami`: which server and key this user's commands and IDEs take."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from app.cli.exits import ServerRefused
from app.cli.output import AsJson
from app.cli.requests import print_result, send_request
from app.errors import CairnError, ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

    from app.cli.client import Json

INVITE = "/invite/"
ENVIRONMENT = ("CAIRN_URL", "CAIRN_KEY")


@dataclass(frozen=True, slots=True)
class LoginTarget:
    """A server's URL, and the token where it came with an invitation."""

    url: str
    token: str | None


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="An invitation link, or a server's address.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name for the key that the invitation creates. Default: this machine's name.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Log in to a server, with an invitation link or a key. The key is typed at a prompt or read from standard input."""
    from app.cli.machine import client_file

    target = parse_target(url)
    file = client_file()
    _check_writable(file)
    if target.token is None and name is not None:
        raise InvalidInput("--name works only with an invitation link, which creates a key. Your key has a name already: leave --name out.")
    key = _asked_key() if target.token is None else asyncio.run(_accept(target, name))
    try:
        who = asyncio.run(_who(target.url, key))
        was_open = _store(file, target.url, key)
    except CairnError as error:
        if target.token is None:
            raise
        public = "_".join(key.split("_")[:2])
        said = (
            f"The invitation was used, but its key could not be stored: {error.message} Ask an admin for a new link, and to revoke "
            f"{public}."
        )
        raise CairnError(said, code=error.code) from error
    _warn(target.url, file, was_open=was_open)
    print_result(who | {"url": target.url, "file": str(file)}, as_json, f"Logged in to {target.url} as {described(who)}. Kept in {file}.")


def logout(
    revoke: Annotated[bool, typer.Option("--revoke", help="Also revoke the key: no machine can use it any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the server and key that `cairn login` stored."""
    from app.cli.machine import client_file, read_client_settings

    file, kept = client_file(), read_client_settings()
    if kept.url is None and kept.key is None:
        print_result({"url": None, "revoked": False}, as_json, f"Not logged in: {file} names no server.")
        return
    if revoke and kept.url is not None and kept.key is not None:
        asyncio.run(_revoke(kept.url.rstrip("/"), kept.key))
    _forget(file)
    left = "Its key is revoked." if revoke else "Its key is still valid. To revoke it: cairn keys revoke, or ask an admin."
    print_result({"url": kept.url, "revoked": revoke}, as_json, f"Logged out of {kept.url}. {left}")
    _warn(None, file, was_open=False)


def whoami(as_json: AsJson = False) -> None:
    """Show who the server says you are, and what you may do."""
    me = send_request(lambda client: client.get("/v1/me"))
    key = me["key"]
    lines = [described(me), f"may: {', '.join(me['permissions'])}"]
    if key is not None:
        until = f"expires {key['expires_at'][:16].replace('T', ' ')} UTC" if key["expires_at"] else "never expires"
        lines.append(f"key: {key['name']} (cairn_{key['lookup']}_…), {until}")
    if me["shows_prompts"]:
        lines.append(f"leads, auditors and admins can read your new sessions of: {', '.join(me['shows_prompts'])}")
    lines.append(f"server: Cairn {me['server_version']}")
    print_result(me, as_json, "\n".join(lines))


def described(me: Json) -> str:
    return f"{me['developer'] or 'the admin key'}, {me['role']} of team {me['team']}"


def parse_target(url: str) -> LoginTarget:
    """Take a link apart. InvalidInput for what is no address of a server; its text isn't repeated: it may be a key."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username is not None:
        raise InvalidInput(
            "This is not the address of a server. An address begins with http:// or https://, as in `cairn login https://cairn.example`."
        )
    base, found, token = parts.path.partition(INVITE)
    token = token.strip("/")
    if found and not re.fullmatch(r"[A-Za-z0-9_-]{20,200}", token):
        raise InvalidInput("The invitation link is incomplete or mistyped: copy all of it, as the admin gave it.")
    return LoginTarget(f"{parts.scheme}://{parts.netloc}{base}".rstrip("/"), token if found else None)


def _asked_key() -> str:
    """Read a key: from the terminal, unseen, else from standard input. It is never an argument, which other users could see."""
    import getpass

    key = (getpass.getpass("Key (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not key:
        raise InvalidInput("No key was given: type it, or send it on standard input.")
    return key


async def _accept(target: LoginTarget, name: str | None) -> str:
    """Use an invitation; return the new key. Without a `name` it is called after this machine, if that is free."""
    from app.cli.client import connect

    async with connect(target.url, None) as client:
        body = {"token": target.token, "key_name": name or _machine_name()}
        try:
            made = await client.post("/v1/invitations/accept", {k: v for k, v in body.items() if v is not None})
        except ServerRefused as refused:
            if name is not None or refused.code not in {"conflict", "invalid_input"} or body["key_name"] is None:
                raise
            made = await client.post("/v1/invitations/accept", {"token": target.token})
    return str(made["key"]["key"])


def _machine_name() -> str | None:
    """Return this machine's name as a key may be called; None: it has none."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname().partition(".")[0]).strip("-.")[:60]
    return name or None


async def _who(url: str, key: str) -> Json:
    from app.cli.client import connect

    async with connect(url, key) as client:
        return await client.get("/v1/me")


async def _revoke(url: str, key: str) -> None:
    from app.cli.client import connect

    async with connect(url, key) as client:
        own = (await client.get("/v1/me"))["key"]
        if own is None:
            raise InvalidInput("The admin key can't be revoked: leave --revoke out.")
        await client.delete(f"/v1/keys/{own['id']}")


def _check_writable(file: Path) -> None:
    """Raise ConfigurationError where the file can't be read or written: before a key is made that could be kept nowhere."""
    from app.cli.machine import read_client_settings

    read_client_settings(file)
    target = file.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unwritable(file, error) from error
    if not os.access(target.parent, os.W_OK):
        raise ConfigurationError(f"{target.parent} can't be written: change its owner or permissions, then log in again.")


def _store(file: Path, url: str, key: str) -> bool:
    """Keep the server and key beside what else is in the file, which nobody else can read. Tell whether others could read a key in it."""
    from app.cli.ide.config_file import open_to_others
    from app.cli.machine import read_client_settings

    was_open = open_to_others(file) and read_client_settings(file).key is not None

    def edit(document: TOMLDocument) -> None:
        document["url"], document["key"] = url, key

    _write(file, edit)
    return was_open


def _forget(file: Path) -> None:
    def edit(document: TOMLDocument) -> None:
        for name in ("url", "key"):
            document.pop(name, None)

    _write(file, edit)


def _write(file: Path, edit: object) -> None:
    from app.cli.ide.config_file import open_to_others
    from app.cli.ide.toml_edits import toml_change
    from app.cli.machine import write_private

    change = toml_change(file, edit, private=True)  # type: ignore[arg-type]
    target = file.resolve()  # a link stays a link
    backup = target.with_name(target.name + ".before-cairn")
    try:
        if change.after is not None and change.after.strip():
            write_private(target, change.after)
        else:
            target.unlink(missing_ok=True)
        if open_to_others(backup):
            backup.chmod(0o600)
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{file} can't be written ({error.strerror}): change its owner or permissions, then try again.")


def _warn(url: str | None, file: Path, *, was_open: bool) -> None:
    """Say on standard error what may surprise."""
    from app.cli.server_address import is_local

    if set_now := [name for name in ENVIRONMENT if os.environ.get(name)]:
        typer.echo(f"cairn: {' and '.join(set_now)} in the environment overrides {file}: unset it.", err=True)
    if was_open:
        typer.echo(f"cairn: others could read {file} until now: revoke the key that was in it.", err=True)
    if url is not None and url.startswith("http://") and not is_local(url):
        typer.echo(f"cairn: {url} is not encrypted (http): anybody on the network path can read the key. Use https.", err=True)
