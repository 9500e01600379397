"""Reads a step as a deed with its outcome, and gives each pair a symbol, so that sessions compare as strings.

Words come from fixed lists: a phase never carries a text of its session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, get_args

from app.trajectory.events.mentions import Mentions
from app.trajectory.events.shell import commands_of
from app.trajectory.events.steps import MAX_TEXT_CHARS, SessionStep
from app.trajectory.events.turns import ending

Deed = Literal["explore", "edit", "test", "commit", "ask", "plan", "migrate", "roll back", "install", "build", "deploy", "start", "run"]
PhaseEnd = Literal["done", "failed", "refused", "unavailable"]
"""done: with success, or nothing tells otherwise; a prompt is refused where it objects to what was done before."""

_WORDS: Final[dict[Deed, tuple[str, str]]] = {
    "explore": ("exploring", "a look"),
    "edit": ("editing", "an edit"),
    "test": ("testing", "a test run"),
    "commit": ("committing", "a commit"),
    "ask": ("a prompt", "a prompt"),
    "plan": ("planning", "a plan"),
    "migrate": ("a migration", "a migration"),
    "roll back": ("a rollback", "a rollback"),
    "install": ("an installation", "an installation"),
    "build": ("a build", "a build"),
    "deploy": ("a deployment", "a deployment"),
    "start": ("starting a server", "a server's start"),
    "run": ("a command", "a command"),
}
"""Words for a deed that was done, and for one as the subject of how it ended."""
_ENDS: Final[dict[PhaseEnd, str]] = {"failed": "fails", "refused": "is refused", "unavailable": "gets no service"}
_FIRST_SYMBOL: Final = 0x100
_PROGRAMS: Final[tuple[tuple[Deed, str], ...]] = (
    (
        "roll back",
        r"\b(?:rollback|roll-back|downgrade|migrate:(?:down|undo|reset)|git (?:-C \S+ )?(?:revert|reset|restore|stash|checkout --))\b",
    ),
    (
        "migrate",
        (
            r"\b(?:alembic|flyway|liquibase|goose|dbmate|sqlx migrate|knex migrate|typeorm migration|prisma (?:migrate|db)|drizzle-kit|db:migrate"
            r"|ecto\.migrate|manage\.py (?:make)?migrat\w*|artisan migrate)\b"
        ),
    ),
    (
        "install",
        (
            r"\b(?:(?:pip3?|uv|poetry|npm|pnpm|yarn|bun|gem|bundle|cargo|go|brew|apt|apt-get|apk|dnf|mise|composer|mix) (?:-\S+ )?"
            r"(?:install|add|get|sync|ci|deps\.get|update|upgrade|tidy)|go mod)\b"
        ),
    ),
    (
        "build",
        r"\b(?:(?:npm|pnpm|yarn|bun) (?:run )?build|(?:go|cargo|docker|dotnet|mix|vite|python -m) (?:build|compile)|make|cmake|mvn|gradlew?|webpack|xcodebuild)\b",
    ),
    (
        "deploy",
        r"\b(?:docker(?:-compose)?|podman|kubectl|helm|terraform|ansible-playbook|fly|flyctl|vercel|heroku|serverless|wrangler|gcloud|aws)\b",
    ),
    (
        "start",
        r"\b(?:(?:npm|pnpm|yarn|bun) (?:run )?(?:start|dev|serve)|uvicorn|gunicorn|flask run|runserver|rails s(?:erver)?|mix phx\.server|(?:go|cargo) run)\b",
    ),
)
"""Deeds told by the command's program; of several the first in this order counts."""
_DEEDS: Final = [(deed, re.compile(pattern, re.IGNORECASE)) for deed, pattern in _PROGRAMS]
_MENTIONED: Final = Mentions[Deed](
    {
        "roll back": ("rollback", "roll-back", "downgrade", "migrate:", "git "),
        "migrate": (
            *(
                "alembic",
                "flyway",
                "liquibase",
                "goose",
                "dbmate",
                "sqlx migrate",
                "knex migrate",
                "typeorm migration",
                "prisma ",
                "drizzle-kit",
            ),
            *("db:migrate", "ecto.migrate", "manage.py ", "artisan migrate"),
        ),
        "install": (
            *(
                "pip ",
                "pip3 ",
                "uv ",
                "poetry ",
                "npm ",
                "pnpm ",
                "yarn ",
                "bun ",
                "gem ",
                "bundle ",
                "cargo ",
                "go ",
                "brew ",
                "apt ",
                "apt-get ",
            ),
            *("apk ", "dnf ", "mise ", "composer ", "mix "),
        ),
        "build": ("build", "compile", "make", "mvn", "gradle", "webpack"),
        "deploy": (
            *("docker", "podman", "kubectl", "helm", "terraform", "ansible-playbook", "fly", "vercel", "heroku", "serverless", "wrangler"),
            *("gcloud", "aws"),
        ),
        "start": (
            *("npm ", "pnpm ", "yarn ", "bun ", "uvicorn", "gunicorn", "flask run", "runserver", "rails s", "mix phx.server", "go run"),
            "cargo run",
        ),
    }
)
"""Words of which each pattern needs one: most commands have none, and looking for all words is far cheaper than for one pattern."""
MAX_COMMAND_CHARS: Final = 300
"""Characters read of one command: its program stands at its beginning."""


@dataclass(frozen=True, slots=True)
class PhaseSymbol:
    """A deed, how it ended, and whether the same call had given the same before (`again`)."""

    deed: Deed
    end: PhaseEnd = "done"
    again: bool = False

    @property
    def char(self) -> str:
        """Return the symbol as one character."""
        return _CHARS[self]

    @property
    def troubled(self) -> bool:
        """Tell whether it shows trouble: it didn't end well, undoes something, or repeats what failed."""
        return self.end != "done" or self.deed == "roll back"

    @property
    def words(self) -> str:
        """Return it in words: `a migration fails`, `editing`, `a test run fails again`."""
        doing, subject = _WORDS[self.deed]
        if self.deed == "ask":
            return "a correction" if self.end == "refused" else doing
        if self.end == "done":
            return f"{doing} again" if self.again else doing
        return f"{subject} {_ENDS[self.end]}{' again' if self.again else ''}"


_CHARS: Final = {
    PhaseSymbol(deed, end, again): chr(_FIRST_SYMBOL + place)
    for place, (deed, end, again) in enumerate(product(get_args(Deed), get_args(PhaseEnd), (False, True)))
}
_SYMBOLS: Final = {char: symbol for symbol, char in _CHARS.items()}


def every_symbol() -> Iterable[PhaseSymbol]:
    """Return all symbols that there are."""
    return _CHARS.keys()


def symbol_of(char: str) -> PhaseSymbol:
    """Return the symbol that a character stands for. Raises KeyError for any other character."""
    return _SYMBOLS[char]


def phase_of(step: SessionStep, *, again: bool) -> PhaseSymbol | None:
    """Return the phase that a step belongs to; None for words and thoughts of the agent, which its deeds show, and for what other agents
    did within the session: theirs are courses of their own.

    `again`: the same call gave the same result before; kept of what doesn't end well only: to look twice is no trouble.
    """
    if step.sidechain or step.phase == "say" or (step.phase == "plan" and step.kind != "tool"):
        return None
    if step.phase == "ask":
        return PhaseSymbol("ask", "refused" if ending(step.text) == "corrected" else "done")
    end = _end_of(step)
    return PhaseSymbol(_deed_of(step), end, again and end != "done")


def _deed_of(step: SessionStep) -> Deed:
    if step.phase in {"run", "commit"} and (mentioned := _MENTIONED.in_text(step.text[:MAX_TEXT_CHARS])):
        for command in commands_of(step.text[:MAX_TEXT_CHARS]):
            for deed, pattern in _DEEDS:
                if deed in mentioned and pattern.search(command[:MAX_COMMAND_CHARS]):
                    return deed
    return "run" if step.phase == "say" else step.phase


def _end_of(step: SessionStep) -> PhaseEnd:
    match step.result:
        case "failed" | "unavailable":
            return step.result
        case "rejected":
            return "refused"
        case _:
            return "done"
