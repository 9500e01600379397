"""`cairn developers`: all of its commands. Those about roles and lists: `accounts.py`; removal, invitations: modules of their own."""

from __future__ import annotations

from app.cli import invitations, openid, removal
from app.cli.accounts import developers

developers.command("remove")(removal.remove)
developers.command("export")(removal.export)
developers.command("invite")(invitations.invite)
developers.command("invitations")(invitations.list_invitations)
developers.command("revoke-invitation")(invitations.revoke)
developers.command("link")(openid.link)
developers.command("unlink")(openid.unlink)
developers.command("linked")(openid.list_linked)
