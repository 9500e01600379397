"""`cairn demo`: ingests example sessions and answers questions from them, in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.cli.query import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from app.cli.client import Json, ServerClient
    from app.storage.folder import DataFolder

PROJECT = "tidewater"
DEVELOPER = "mara"
SAID = "ECONNREFUSED 127.0.0.1:4222 in the tests"
LEARNT = "Why were customers charged twice?"
QUESTIONS: dict[str, str | None] = {
    "Why NATS and not Kafka?": "two people have to operate it",
    "Why are the tests of the departures flaky?": "before NATS listened",
    "A passenger paid two times for one trip. Did that happen before?": "retry after a timeout sent a new key",
    "How do I add an index without blocking writes?": "autocommit_block",
    "Is the timetable cached?": "decided against a cache",
    "Why do the boards show yesterday's departures after midnight?": "which is UTC",
    "Wie werden Erstattungen gerundet?": "auf den vollen Øre aufgerundet",
    "Which printer do the ticket machines in Sweden use?": None,
}
"""Questions of somebody new, in part in other words than were said; each with words that answer it, None where nobody said any."""
REAL = "On real sessions 62 of 100 answers did, and half of the questions without an answer were refused (docs/decisions/0031)."
ANALYSIS_TRIES = 100
TO_CORRECT = "When must we not deploy?"
CORRECTION = (
    "Deploys to production are frozen from Friday 12:00 to Monday 06:00, and on the day before a public holiday: nobody is on call at the"
    " terminals then."
)


def demo() -> None:
    """Show what Cairn does with example sessions. It uses a temporary folder, needs no key and takes about a minute."""
    import asyncio

    from app.cli.output import out, plain
    from app.settings import ROOT

    examples = ROOT / "examples" / "sessions"
    count = sum(1 for each in examples.iterdir())
    out.print("[bold]Cairn[/] remembers what a team learnt. This demo runs in a scratch folder and needs no key.\n")
    words = f"An imaginary team builds {PROJECT}, a booking system for ferries. {count} of their sessions go in, as untidy as real ones:"
    out.print(plain(words, "dim"))
    with _temporary_folder() as folder:
        asyncio.run(_show(folder, examples))
    _how_to_go_on()


@contextmanager
def _temporary_folder() -> Iterator[DataFolder]:
    import shutil
    import tempfile
    from pathlib import Path

    from app.storage.folder import DataFolder

    path = Path(tempfile.mkdtemp(prefix="cairn-demo-"))
    try:
        yield DataFolder.open(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def _show(folder: DataFolder, examples: Path) -> None:
    import os

    from app.accounts.secrets import ADMIN_FILE
    from app.cli.client import connect
    from app.cli.local_server import run_server

    # A team's settings in the environment must not lead the demo into the team's own database.
    env = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    async with run_server(folder, env=env) as url:
        key = (folder.path / ADMIN_FILE).read_text().strip()
        async with connect(url, key) as client:
            await _ingest(client, examples)
            await _show_knowledge(client)
            await _show_analysis(client)
            await _budget(client)


async def _ingest(client: ServerClient, examples: Path) -> None:
    from app.cli.discover import in_paths
    from app.cli.ingest import failed, show
    from app.cli.output import out
    from app.cli.sending import send
    from app.errors import CairnError

    sent = await send(client, list(in_paths([examples], PROJECT)), format="auto")
    show(sent)
    out.print()
    if failed(sent) or any(each.error for each in sent):
        raise CairnError("An example session could not be read; the lines above say why. Run `cairn doctor`.")


async def _show_knowledge(client: ServerClient) -> None:
    """Show a passage, an item, answers with their number, and a correction."""
    _print_heading("Search finds passages: what was said, word for word. Ask by meaning or by an error's text:")
    await _query(client, SAID, Kind.passage)
    _print_heading("It also finds items: what was learnt, each with the quotation that supports it:")
    await _query(client, LEARNT, Kind.item)
    _print_heading("Answers quote what colleagues said, in their language. If nobody said it, Cairn says so:")
    answers = [(question, await _answer(client, question)) for question in QUESTIONS]
    _print_counts(answers)
    _print_heading("A person corrects an item that is wrong or out of date; the correction then ranks first:")
    item = await _query(client, TO_CORRECT, Kind.item)
    if item is not None:
        _print_command(f"cairn correct {item} --text {CORRECTION!r}")
        await client.patch(f"/v1/knowledge/{item}", {"text": CORRECTION})
        await _query(client, TO_CORRECT, Kind.item)


async def _show_analysis(client: ServerClient) -> None:
    """Show what the analysis found in the longest session, and which sessions are like it."""
    from app.cli.output import out, plain
    from app.cli.sessions import analysis_lines, print_similar

    listed = await client.get("/v1/sessions", project=PROJECT, limit=50)
    session = max(listed["sessions"], key=lambda each: int(each["events"]))["id"]
    _print_heading(
        "Each session is analysed, also while it goes on: what it did, where it went wrong, which rules it broke. No model is asked:"
    )
    _print_command(f"cairn sessions show {session}")
    for line in analysis_lines(await _analysed(client, f"/v1/sessions/{session}/analysis")):
        out.print(plain(line), soft_wrap=True)
    _print_command(f"cairn sessions similar {session}")
    print_similar(await client.get(f"/v1/sessions/{session}/similar", limit=2))
    out.print()


async def _analysed(client: ServerClient, path: str) -> Json:
    """Return an analysis that has caught up with its session, or after a while as far as it is."""
    import asyncio

    found = await client.get(path)
    for _ in range(ANALYSIS_TRIES):
        if found["current"]:
            break
        await asyncio.sleep(0.2)
        found = await client.get(path)
    return found


def _print_heading(words: str) -> None:
    from app.cli.output import out, plain

    out.print(plain(words, "bold"))


def _print_command(command: str) -> None:
    from app.cli.output import out, plain

    out.print(plain(f"$ {command}", "bold green"), soft_wrap=True)


async def _query(client: ServerClient, question: str, kind: Kind) -> str | None:
    """Show the best result of a kind; return its id, None if there is none."""
    from app.cli.output import out
    from app.cli.query import query_body, show

    _print_command(f"cairn query {question!r} --kind {kind.value}")
    found = await client.post("/v1/knowledge/query", query_body(question, PROJECT, 1, kind=kind))
    await show(client, found, PROJECT)
    out.print()
    return found["results"][0]["id"] if found["results"] else None


def _print_counts(answers: list[tuple[str, Json]]) -> None:
    """Say how many answers have the words that answer, which have not, and what real sessions give."""
    from app.cli.output import out, plain

    answered = [question for question, _ in answers if QUESTIONS[question] is not None]
    right = [question for question, answer in answers if _is_right(QUESTIONS[question], answer)]
    refused = [question for question in right if QUESTIONS[question] is None]
    words = f"{len(right) - len(refused)} of {len(answered)} answers contain the answer to the question"
    others = len(answers) - len(answered)
    out.print(plain(f"{words}; of {others} without an answer, {len(refused)} was refused.", "bold"))
    for question, _ in answers:
        if question not in right:
            out.print(plain(f"  not: {question}"))
    out.print(plain(f"{REAL}\n", "dim"))


def _is_right(proof: str | None, answer: Json) -> bool:
    """Tell whether an answer has the words that answer the question, or abstains where nobody said any."""
    if proof is None:
        return bool(answer["abstained"])
    return proof in " ".join(answer["text"].split())


async def _answer(client: ServerClient, question: str) -> Json:
    from app.cli.ask import RESULTS, show
    from app.cli.output import out, plain
    from app.cli.query import nothing_found, query_body

    _print_command(f"cairn ask {question!r}")
    found = await client.post("/v1/knowledge/query", query_body(question, PROJECT, RESULTS) | {"mode": "answer"})
    if found["answer"]["abstained"]:
        out.print(plain(await nothing_found(client, PROJECT)))
    else:
        await show(client, found, PROJECT)
    out.print()
    answer: Json = found["answer"]
    return answer


async def _budget(client: ServerClient) -> None:
    from app.cli.output import out

    await client.post("/v1/developers", {"name": DEVELOPER})
    found = await client.get(f"/v1/budgets/{DEVELOPER}")
    limit, spent, left = (f"${found[name]:.2f}" for name in ("limit_usd", "spent_usd", "remaining_usd"))
    out.print(f"[bold]Budget[/] of {DEVELOPER}: {limit} a month, {spent} spent, {left} left. Nothing above called a model.\n")


def _how_to_go_on() -> None:
    from app.cli.output import out

    name = _command()
    out.print("[bold]With your own sessions:[/]")
    for command, what in (
        (f"{name} serve", "a server on 127.0.0.1:8080; all routes at /docs"),
        (f"{name} ingest", "finds your agents' sessions, asks you, and reads them"),
        (f'{name} query "…"', "searches what was said and learnt in them"),
        (f'{name} ask "…"', "answers from them"),
        (f"{name} developers add NAME", "then"),
        (f"{name} keys create NAME", "a key for an IDE plugin, or for any OpenAI client at http://127.0.0.1:8080/v1"),
    ):
        out.print(f"  [cyan]{command:<34}[/] {what}", soft_wrap=True)


def _command() -> str:
    """Return the command as this shell can call it."""
    import os
    import shutil
    import sys
    from pathlib import Path

    return "cairn" if shutil.which("cairn") else os.path.relpath(Path(sys.executable).parent / "cairn")
