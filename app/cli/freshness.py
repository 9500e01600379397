"""`cairn freshness`: checks a project's items against the repository on this machine, and stores on the server what it found."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.cli.output import AsJson
from app.errors import ConfigurationError, NotPermitted

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient
    from app.cli.private_files import PrivateFiles
    from app.freshness.checking import CheckResult
    from app.freshness.git import Repository
    from app.freshness.marking import ChosenFindings
    from app.freshness.verdicts import CodeFinding

ROUTE = "/v1/knowledge/freshness"
SHOWN = 50
"""Items that are printed; `--json` has all of them."""


@dataclass(frozen=True, slots=True)
class CheckedRepository:
    """The commit of a repository to check, its name that tells it from others, and the project whose items speak of it."""

    repository: Repository
    ref: str
    private: PrivateFiles
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

    checked = _open(repo, project, ref)
    stores = _is_default(checked.repository, ref) if send is None else send
    report = send_request(lambda client: _run(client, checked, stores=stores))
    if as_json:
        from app.cli.output import print_json

        print_json(report)
    else:
        _print(report, asked_not_to=send is False)


def _open(repo: Path, project: str | None, ref: str) -> CheckedRepository:
    """Open the repository. NotPermitted for a private folder: the names of its files and symbols would go to the server."""
    from app.cli.installation import FRESHNESS_INSTALLATION
    from app.cli.place import FOLDER_FILE, read_place_or_private
    from app.cli.private_files import find_private_files
    from app.cli.remember import project_of
    from app.freshness.git import Repository

    if find_spec("tree_sitter") is None:
        raise ConfigurationError(f"This command reads code with tree-sitter, which is not installed: {FRESHNESS_INSTALLATION}.")
    repository = Repository.open(repo)
    place, settings = read_place_or_private(repo)
    if place.private is not None:
        raise NotPermitted(f"Nothing of this repository may leave the machine: {place.private}.")
    private = find_private_files(repository, ref, settings)
    if private.whole:
        raise NotPermitted(f"Nothing of this repository may leave the machine: its {FOLDER_FILE} at {ref} says private = true.")
    return CheckedRepository(repository, ref, private, place.repository or place.name, project or project_of(repo))


def _is_default(repository: Repository, ref: str) -> bool:
    """Tell whether the verdicts are for everybody: of the remote's default branch, as far as that is known; or there is no remote."""
    default = repository.default_branch()
    if default is None:
        return repository.remote() is None
    branch = repository.branch() if ref == "HEAD" else ref.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    return branch in {default, f"origin/{default}"}


async def _run(client: ServerClient, checked: CheckedRepository, *, stores: bool) -> Json:
    """Fetch the items, check them, and store the marks that differ from those that the server has."""
    from app.cli.pages import every_page
    from app.freshness.marking import MAX_MARKS

    items = (await every_page(client, ROUTE, "items", project=checked.project, repository=checked.name))["items"]
    result, chosen = await asyncio.to_thread(_check, checked, items)
    found = [_entry(item, finding) for item, (_, finding) in zip(items, result.findings, strict=True)]
    new = [{**mark, "said_at": item["said_at"]} for item, mark in zip(items, found, strict=True) if UUID(item["id"]) in chosen.items]
    stored = outdated = 0
    for start in range(0, len(new) if stores else 0, MAX_MARKS):
        marks = [
            {name: value for name, value in each.items() if name not in {"title", "because"}} for each in new[start : start + MAX_MARKS]
        ]
        body = {"project": checked.project, "repository": checked.name, "head": result.commit, "marks": marks}
        answer = await client.put(ROUTE, body)
        stored, outdated = stored + answer["stored"], outdated + answer["outdated"]
    counts = dict(Counter(each["verdict"] for each in found))
    head = {"project": checked.project, "repository": checked.name, "commit": result.commit, "ref": checked.ref}
    sent = {"stores": stores, "stored": stored, "outdated": outdated, "older": chosen.older}
    return {**head, "items": found, "counts": counts, **sent}


def _check(checked: CheckedRepository, items: Sequence[Json]) -> tuple[CheckResult, ChosenFindings]:
    """Check the items, and choose which findings are to be stored."""
    from app.cli.machine import state_folder
    from app.freshness.checking import CheckedItem, check_items
    from app.freshness.marking import FIELDS, KnownMark, choose_findings, kept_file

    given = [
        CheckedItem(UUID(each["id"]), f"{each['title']}\n{each['text']}", each["paths"], datetime.fromisoformat(each["said_at"]))
        for each in items
    ]
    known = {
        UUID(each["id"]): KnownMark(tuple(mark[name] for name in FIELDS), mark["head"], datetime.fromisoformat(mark["checked_at"]))
        for each in items
        if (mark := each["mark"]) is not None
    }
    kept = kept_file(state_folder() / "freshness", checked.repository)
    result = check_items(checked.repository, given, ref=checked.ref, kept=kept, private=checked.private)
    return result, choose_findings(checked.repository, result, known, at=datetime.now(UTC))


def _entry(item: Json, finding: CodeFinding) -> Json:
    from app.freshness.marking import FIELDS
    from app.freshness.wording import describe

    at = finding.committed_at
    values = {name: getattr(finding, name) for name in FIELDS} | {"committed_at": at and at.isoformat()}
    return {"id": item["id"], "revision": item["revision"], "title": item["title"], **values, "because": describe(finding)}


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
        again = f" {report['outdated']:,} were corrected or taught again meanwhile: run this again." if report["outdated"] else ""
        newer = "were not, since the server's are of a newer commit: pull, then run this again."
        older = f" {report['older']:,} {newer}" if report["older"] else ""
        out.print(plain(f"\nStored: {report['stored']:,} verdicts that are new.{again}{older}"))
    elif not asked_not_to:
        why = "Not stored, since this is not known to be the remote's default branch, of which the team's marks are"
        out.print(plain(f"\n{why}. Store them: --send"))
