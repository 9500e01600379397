"""Tells the project of a session: its repository where one is recorded, else its folder, seen through worktrees. Pure.

A folder's name alone tells two clients' `backend` apart from nothing, so what stands above it counts too, unless that is a person's
home or a place where anything is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.accounts.names import canonical, project_name_of

_SCP = re.compile(r"(?:[\w.+-]+@)?(?P<host>[\w.-]+\.[\w-]+|localhost|[\w-]{2,}):(?P<path>(?!//)\S+)")
_HOME = re.compile(r"(?:/mnt/[a-z]|/?[a-zA-Z]:)?/(?:home|users|var/home|export/home)/[^/]+|/root|~", re.IGNORECASE)
_TOOLS_WORKTREE = re.compile(r"(?P<before>.*?)/\.(?P<tool>[\w-]+)/worktrees?/(?P<first>[^/]+)(?:/(?P<second>[^/]+))?(?:/.*)?")
_SIBLING = re.compile(r"(?P<root>.*/[^/]+?)(?:[._-]worktrees?)/.+")
_INNER = re.compile(r"(?P<root>.*?)(?:/\.claude|/\.git)?/\.?worktrees?(?:/(?P<rest>.*))?", re.DOTALL)
_GENERATED = re.compile(r"(?:[0-9a-f]{2,}|\d+|[0-9a-f-]{8,})", re.IGNORECASE)
_ANYTHING = frozenset(
    re.findall(
        r"\S+",
        "src source sources code coding dev develop development work wks workspace workspaces project projects repo repos repositories git"
        " github github.com gitlab gitlab.com bitbucket.org documents desktop downloads go sites www var srv opt tmp temp sandbox play test"
        " tests private mnt media data home user users volumes app apps package packages services libs clients customers",
    )
)
"""Folders that say nothing of what is in them."""


@dataclass(frozen=True, slots=True)
class ProjectIdentity:
    """`key` is what two sessions of one project share; `name` how it is shown; `owner` what tells it from another of that name."""

    key: str
    name: str
    owner: str | None

    @property
    def is_repository(self) -> bool:
        return self.key.startswith("repository:")


def identify(repository: str | None, directory: str | None) -> ProjectIdentity | None:
    """Return the project of a session by what its transcript says. None: nothing usable."""
    return (of_repository(repository) if repository else None) or of_folder(directory)


def of_repository(url: str) -> ProjectIdentity | None:
    """Identify a project by its repository's URL, whatever its spelling, without credentials in it. None where it is no remote one."""
    plain = url.strip().replace("\\", "/")
    if "://" in plain:
        try:
            parts = urlsplit(plain)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return None
        if parts.scheme == "file":
            return None
    elif (found := _SCP.fullmatch(plain)) is not None and len(found["host"]) > 1:
        host, path = found["host"], found["path"]
    else:
        return None
    names = [part for part in path.split("/") if part not in {"", "_git", "scm"}]
    if not host or not names:
        return None
    names[-1] = names[-1].removesuffix(".git")
    shown = [name for part in names if (name := project_name_of(part))]
    if not shown or not names[-1]:
        return None
    return ProjectIdentity(_key("repository", "/".join([host, *shown])), shown[-1], shown[-2] if len(shown) > 1 else host)


def of_folder(directory: str | None) -> ProjectIdentity | None:
    """Identify a project by the folder that the session worked in, POSIX or Windows; of the repository where it is one of its worktrees."""
    path = _root(re.sub(r"/{2,}", "/", (directory or "").strip().replace("\\", "/")).rstrip("/"))
    home = _HOME.match(path + "/")
    names = [part for part in path[home.end() if home else 0 :].split("/") if part]
    if not home:
        names = names[-1:] if len(names) == 2 else names  # what stands at the top of a disk is no owner
        names = names[1:] if names and re.fullmatch(r"[a-zA-Z]:", names[0]) and len(names) > 1 else names
    if not names or (name := project_name_of(names[-1])) is None:
        return None
    above = names[-2] if len(names) > 1 else ""
    owner = None if above.casefold() in _ANYTHING or not above or above.startswith(".") else project_name_of(above)
    return ProjectIdentity(_key("folder", f"{owner}/{name}" if owner else name), name, owner)


def _key(kind: str, path: str) -> str:
    """Build the key that all spellings of a path share. Composed last: casefolding takes some letters apart."""
    return canonical(f"{kind}:{path.casefold()}")[:500]


def _root(path: str) -> str:
    """Return the repository's own folder, where the path is within a worktree of it, in the layouts that agents and people use."""
    if (found := _TOOLS_WORKTREE.fullmatch(path)) is not None and _is_home(found["before"]):
        first, second = found["first"], found["second"]
        return f"{found['before']}/{_named(first, second, generated=found['tool'] == 'codex')}"
    if (found := _SIBLING.fullmatch(path)) is not None:
        return found["root"]
    if (found := _INNER.fullmatch(path)) is not None:
        first, _, rest = (found["rest"] or "").partition("/")
        if not _is_home(found["root"]):
            return found["root"]
        return f"{found['root']}/{_named(first, rest.partition('/')[0] or None)}"
    return path


def _named(first: str, second: str | None, *, generated: bool = False) -> str:
    """Return the repository's folder in a place of all worktrees. Below a generated id its own stands, and who owns it isn't told: the id
    tells it from another of its name.
    """
    return f"{first}/{second}" if second is not None and (generated or _GENERATED.fullmatch(first)) else first


def _is_home(path: str) -> bool:
    return _HOME.fullmatch(path) is not None
