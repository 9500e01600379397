"""`cairn ingest`: sends transcripts to the server with progress bars, and reports what was read, skipped and found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.exits import FAILED, USAGE
from app.cli.output import AsJson
from app.cli.progress import Quiet
from app.sessions.event import GivenFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.cli.discover import AgentFolder, FoundFile
    from app.cli.sending import Sent

REASONS_SHOWN = 10


def ingest(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Files or folders, also compressed (.zst, .gz). Default: where Claude Code, Codex, SpecStory and other known agents keep"
            " their sessions.",
            exists=True,
        ),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project", "-p", help="Project of the sessions. Default: the repository or folder in which each session took place."
        ),
    ] = None,
    format: Annotated[GivenFormat, typer.Option(help="Format of the files; auto: detect it from the content.")] = "auto",  # noqa: A002
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send the files that were found without asking.")] = False,
    team: Annotated[str | None, typer.Option(help="Team to act for; needs the admin key. Default: `default`.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Send coding sessions to Cairn. If a file was sent before, only what is new in it is added."""
    import asyncio

    from app.cli.discover import in_paths
    from app.cli.output import print_json

    found, withheld = _sorted_out(in_paths(paths, project) if paths else _confirmed_files(project, yes), format)
    if not found and not withheld:
        raise _none_found()
    sent = asyncio.run(_send(found, format, team, quiet=quiet)) if found else []
    if as_json:
        print_json(report(sent))
    else:
        show(sent)
    if failed(sent):
        raise typer.Exit(FAILED)


def _none_found() -> typer.Exit:
    """Say that there is nothing to send, and how to name other files; return the exit to raise."""
    typer.echo(
        "cairn: no transcripts found (.jsonl, .ndjson, .json, .md, .txt, also .zst or .gz, state.vscdb). Name other files or folders:"
        " cairn ingest PATH…",
        err=True,
    )
    return typer.Exit(FAILED)


def _sorted_out(files: Iterable[FoundFile], format: str) -> tuple[list[FoundFile], Counter[str]]:  # noqa: A002
    """Return the files to send, and why others stay on this machine, which it says. A file that was named is sent."""
    from app.cli.withheld import Withholding, summary

    withholding = Withholding(format)
    sent, withheld = [], Counter[str]()
    for each in files:
        if each.named or (reason := withholding.reason(each)) is None:
            sent.append(each)
        else:
            withheld[reason] += 1
    if withheld:
        typer.echo(summary(withheld.most_common()), err=True)
    return sent, withheld


def failed(sent: Sequence[Sent]) -> bool:
    return any(each.error is not None and _is_error(each) for each in sent)


def report(sent: Sequence[Sent]) -> dict[str, object]:
    files = [
        {
            "file": str(each.found.path),
            "job": each.job,
            "result": each.result,
            "error": each.error and {"code": each.code, "message": each.error},
        }
        for each in sent
    ]
    return {"files": files, "totals": dict(_totals(sent))}


def show(sent: Sequence[Sent]) -> None:
    """Print the report."""
    from app.cli.output import out, plain

    totals = _totals(sent)
    out.print(
        f"[bold]{totals['files']}[/] transcript{'' if totals['files'] == 1 else 's'} read: [bold]{totals['sessions']}[/] sessions, "
        f"[bold]{totals['events_new']}[/] new events ({totals['events_known']} already stored), "
        f"[bold]{totals['passages_new']}[/] new passages, "
        f"[bold]{totals['knowledge_new']}[/] new items of knowledge, {totals['knowledge_merged']} that were known already."
    )
    if totals["redactions"]:
        out.print(f"Secrets redacted before anything was stored: {totals['redactions']}.")
    if totals["skipped"]:
        kinds = Counter[str]()
        for each in sent:
            kinds.update((each.result or {}).get("skipped", {}))
        out.print(plain(f"Lines that hold no conversation, skipped: {_most_common(kinds)}", "dim"))
    if unknown := sum((Counter((each.result or {}).get("unknown", {})) for each in sent), Counter[str]()):
        words = f"Lines of a kind that this version doesn't know, skipped: {_most_common(unknown)}."
        out.print(plain(f"{words} If something is missing, update Cairn and send the files again.", "yellow"))
    refused = [each for each in sent if each.error is not None and _is_error(each)]
    for each in refused[:REASONS_SHOWN]:
        out.print(plain(f"{each.found.path}: {each.error}", "red"))
    if len(refused) > REASONS_SHOWN:
        out.print(plain(f"… and {len(refused) - REASONS_SHOWN} more (--json lists all)", "red"))
    if others := totals["refused"] - len(refused):
        out.print(
            plain(f"{others} file{' skipped: not a transcript' if others == 1 else 's skipped: not transcripts'} (--json says why).", "dim")
        )


def _most_common(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in kinds.most_common(REASONS_SHOWN))


def _is_error(refused: Sent) -> bool:
    """Tell whether a refusal is an error: a named file must be a transcript, one found in a folder need not be."""
    return refused.found.named or not refused.not_a_transcript


def _totals(sent: Sequence[Sent]) -> Counter[str]:
    totals = Counter[str](files=0, refused=0, sessions=0, events_new=0, events_known=0, passages_new=0, skipped=0, redactions=0)
    for each in sent:
        if each.result is None:
            totals["refused"] += 1
            continue
        knowledge, events = each.result["knowledge"], each.result["events"]
        totals.update(
            files=1,
            sessions=len(each.result["sessions"]),
            events_new=events["new"],
            events_known=events["known"],
            skipped=sum(each.result["skipped"].values()),
            redactions=sum(each.result["redactions"].values()),
            passages_new=each.result["passages"]["new"],
            **{f"knowledge_{name}": count for name, count in knowledge.items()},
        )
    return totals


def _confirmed_files(project: str | None, yes: bool) -> list[FoundFile]:
    """Return the files in the known places, once the user has confirmed."""
    import sys

    from app.cli.discover import FoundFile, agent_folders, directory_of

    places = agent_folders()
    if not places:
        typer.echo(
            "cairn: no sessions of SpecStory or aider in this folder, and none of Claude Code (~/.claude/projects), Codex"
            " (~/.codex/sessions) or another known agent. Name files: cairn ingest PATH…",
            err=True,
        )
        raise typer.Exit(FAILED)
    _list(places)
    if not yes:
        if not sys.stdin.isatty():
            typer.echo(
                "cairn: can't ask for confirmation without a terminal: add --yes to send all of it, or name files: cairn ingest PATH…",
                err=True,
            )
            raise typer.Exit(USAGE)
        typer.confirm("Send all of it to Cairn? (secrets are redacted before anything is stored)", abort=True, err=True)
    files = [file for place in places for file in place.files]
    return [FoundFile(file, project, directory_of(file.resolve()), named=False) for file in files]


def _list(places: Sequence[AgentFolder]) -> None:
    from app.cli.output import err, plain

    for place in places:
        size = sum(file.stat().st_size for file in place.files)
        err.print(plain(f"{place.agent}: {len(place.files)} files, {size / 2**20:.1f} MB in {place.folder}"))


async def _send(found: Sequence[FoundFile], format: str, team: str | None, *, quiet: bool) -> list[Sent]:  # noqa: A002
    from app.cli.reach import open_client
    from app.cli.sending import send

    async with open_client(team=team) as client:
        return await send(client, found, format=format, quiet=quiet)
