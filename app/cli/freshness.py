"""`cairn freshness`: checks a project's items against the repository on this machine, and stores on the server what it found."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.cli.output import AsJson
from app.errors import ConfigurationError, NotPermitted

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient
    from app.freshness.checking import CheckResult
    from app.freshness.git import Repository
    from app.freshness.verdicts import CodeFinding

ROUTE = "/v1/knowledge/freshness"
BATCH = 1_000
"""Marks of one request: the most that the server takes."""
SHOWN = 50
"""Items that are printed; `--json` has all of them."""
FIELDS = ("verdict", "path", "symbol", "former_path", "commit", "reason")
"""The fields in which a mark differs from the one that the server has."""


@dataclass(frozen=True, slots=True)
class CheckedRepository:
    """The repository to check, its name that tells it from others, and the project whose items speak of it."""

    repository: Repository
    name: str
    project: str


def freshness(
    *,
    repo: Annotated[Path, typer.Option(help="A folder of the git repository.", metavar="PATH")] = Path(),
    project: Annotated[str | None, typer.Option("--project", "-p", help="Project of the items. Default: the repository's.")] = None,
    ref: Annotated[str, typer.Option(help="Branch, tag or commit to check against.")] = "HEAD",
    send: Annotated[
        bool | None,
        typer.Option(
            "--send/--no-send", help="Store the verdicts on the server. Default: yes, except for another branch than the remote's default."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check knowledge against the code: what changed or is gone since it was said. Such items are marked, and rank a little lower."""
    from app.cli.requests import send_request

    checked = _open(repo, project)
    stores = _is_default(checked.repository, ref) if send is None else send
    report = send_request(lambda client: _run(client, checked, ref, stores=stores))
    if as_json:
        from app.cli.output import print_json

        print_json(report)
    else:
        _print(report, asked_not_to=send is False)


def _open(repo: Path, project: str | None) -> CheckedRepository:
    """Open the repository. NotPermitted for a private folder: the names of its files and symbols would go to the server."""
    from app.cli.installation import FRESHNESS_INSTALLATION
    from app.cli.place import read_place_or_private
    from app.cli.remember import project_of
    from app.freshness.git import Repository

    if find_spec("tree_sitter") is None:
        raise ConfigurationError(f"This command reads code with tree-sitter, which is not installed: {FRESHNESS_INSTALLATION}.")
    repository = Repository.open(repo)
    place, _ = read_place_or_private(repo)
    if place.private is not None:
        raise NotPermitted(f"Nothing of this repository may leave the machine: {place.private}.")
    return CheckedRepository(repository, place.repository or place.name, project or project_of(repo))


def _is_default(repository: Repository, ref: str) -> bool:
    """Tell whether the verdicts are for everybody: of the remote's default branch, or where the clone knows none."""
    default = repository.default_branch()
    branch = repository.branch() if ref == "HEAD" else ref
    return default is None or branch in {default, f"origin/{default}"}


async def _run(client: ServerClient, checked: CheckedRepository, ref: str, *, stores: bool) -> Json:
    """Fetch the items, check them, and store the marks that differ from those that the server has."""
    from app.cli.pages import every_page

    items = (await every_page(client, ROUTE, "items", project=checked.project, repository=checked.name))["items"]
    result = await asyncio.to_thread(_check, checked.repository, items, ref)
    found = [_entry(item, finding) for item, (_, finding) in zip(items, result.findings, strict=True)]
    differing = [mark for item, mark in zip(items, found, strict=True) if _differs(item["mark"], mark)]
    stored = outdated = 0
    for start in range(0, len(differing) if stores else 0, BATCH):
        marks = [
            {name: value for name, value in each.items() if name not in {"title", "because"}} for each in differing[start : start + BATCH]
        ]
        body = {"project": checked.project, "repository": checked.name, "head": result.commit, "marks": marks}
        answer = await client.put(ROUTE, body)
        stored, outdated = stored + answer["stored"], outdated + answer["outdated"]
    counts = dict(Counter(each["verdict"] for each in found))
    head = {"project": checked.project, "repository": checked.name, "commit": result.commit, "ref": ref}
    return {**head, "items": found, "counts": counts, "stores": stores, "stored": stored, "outdated": outdated}


def _check(repository: Repository, items: Sequence[Json], ref: str) -> CheckResult:
    from app.cli.machine import state_folder
    from app.freshness.checking import CheckedItem, check_items

    given = [
        CheckedItem(UUID(each["id"]), f"{each['title']}\n{each['text']}", each["paths"], datetime.fromisoformat(each["said_at"]))
        for each in items
    ]
    name = sha256(str(repository.git_folder()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return check_items(repository, given, ref=ref, kept=state_folder() / "freshness" / f"{name}.json")


def _entry(item: Json, finding: CodeFinding) -> Json:
    from app.freshness.wording import describe

    at = finding.committed_at
    values = {name: getattr(finding, name) for name in FIELDS} | {"committed_at": at and at.isoformat()}
    return {"id": item["id"], "revision": item["revision"], "title": item["title"], **values, "because": describe(finding)}


def _differs(mark: Json | None, entry: Json) -> bool:
    return mark is None or any(mark[name] != entry[name] for name in FIELDS)


def _print(report: Json, *, asked_not_to: bool) -> None:
    from app.cli.output import err, indented, out, plain

    counts, items = report["counts"], report["items"]
    said = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in ("fresh", "changed", "gone", "unverifiable") if verdict in counts)
    if not items:
        err.print(plain(f"The project {report['project']!r} has no items yet. Other projects: --project NAME"), soft_wrap=True)
        return
    out.print(plain(f"{len(items):,} items of {report['project']} checked against {report['commit'][:10]} ({report['ref']}): {said}."))
    worth = [each for each in items if each["verdict"] in {"gone", "changed"}]
    for each in sorted(worth, key=lambda each: each["verdict"] != "gone")[:SHOWN]:
        out.print(plain(f"\n{each['title']}", "bold"))
        out.print(indented(f"{each['because']} · {each['id']}"), soft_wrap=True)
    if len(worth) > SHOWN:
        out.print(plain(f"\n… and {len(worth) - SHOWN:,} more: --json prints all of them."))
    if report["stores"]:
        again = f" {report['outdated']:,} were corrected meanwhile: run this again." if report["outdated"] else ""
        out.print(plain(f"\nStored: {report['stored']:,} verdicts that are new.{again}"))
    elif not asked_not_to:
        out.print(plain("\nNot stored, since this is not the remote's default branch, of which the team's marks are. Store them: --send"))
