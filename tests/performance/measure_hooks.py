"""IDEs' hooks over HTTP: how long a prompt's and a tool's take, and what prompts are given, by threshold.

python tests/performance/measure_hooks.py [--folder DATA] [--speed] [--copies N]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA): its questions are asked as prompts in their own project, its labelled
prompts in four others. `--copies`: times that its sessions are read again, in other words and as other projects, which makes the team's index
that much larger. `--folder`: a data folder that is kept; filled where it doesn't exist yet, which takes minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil

from app.assist.hooks import prompts
from app.knowledge.item import Quote
from app.knowledge.results import Result
from app.settings import HooksSettings
from tests.performance.measure import Figure, cpu_seconds, latencies, machine, show
from tests.performance.recall_data import data_folder, lines
from tests.running import Running, running

THRESHOLDS = (0.0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)
TIMED, WARM_UP, A_SESSION = 300, 20, 10
OTHERS = 4
"""Projects in which another one's prompt is asked, in turn."""
UUIDS = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HELD, SILENT = 0.60, 0.90
PROMPT_MS, TOOL_MS = 50, 15


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt in a project, with what was found. `answers`: texts of which one must be given; empty: another project's prompt."""

    prompt: str
    project: str
    answers: tuple[str, ...]
    found: tuple[Result, ...]


def given(asked: Asked, threshold: float) -> str:
    """Return what a prompt is given, by the rules of the hook."""
    if prompts.question_in(asked.prompt) is None:
        return ""
    return prompts.compose(prompts.choose(asked.found, threshold=threshold, given=set(), session_id=None)).text


def curve(asked: Sequence[Asked]) -> list[tuple[float, float, float]]:
    """(threshold, share of questions whose answer is given, share of another project's prompts that are given nothing)."""
    own, others = [each for each in asked if each.answers], [each for each in asked if not each.answers]
    found = []
    for threshold in THRESHOLDS:
        texts = [(each.answers, _plain(given(each, threshold))) for each in own]
        held = sum(any(answer in text for answer in answers) for answers, text in texts) / len(own)
        found.append((threshold, held, sum(not given(each, threshold) for each in others) / len(others)))
    return found


def ask_all(server: Running) -> list[Asked]:
    data = data_folder()
    home = {upload["transcript"]: upload["project"] for upload in lines(data / "questions" / "uploads.jsonl")}
    asked = []
    for row in lines(data / "questions" / "questions.jsonl"):
        answers = tuple(_plain(text) for gold in row.get("gold", []) for text in gold["must_contain"])
        if row["answerable"]:
            asked.append(_ask(server, row["question"], row["project"], answers))
    for number, row in enumerate(lines(data / "labels" / "intents.jsonl")):
        own, name = home.get(row["transcript"]), row["transcript"]
        others = [each for each in sorted({*home.values()}) if each != own and not any(part in name for part in each.split("/"))]
        for place in range(OTHERS):
            asked.append(_ask(server, row["text"], others[(number * OTHERS + place) % len(others)], ()))
    return asked


def speed(server: Running) -> list[Figure]:
    """Time hooks one after another, in sessions of A_SESSION prompts, each with a tool's call after it, as an IDE sends them."""
    rows = lines(data_folder() / "questions" / "questions.jsonl")
    process, used = psutil.Process(server.process.pid), {"prompt": 0.0, "tool": 0.0}
    waited: dict[str, list[float]] = {"prompt": [], "tool": []}
    for number in range(TIMED + WARM_UP):
        row = rows[number // A_SESSION * 7 % len(rows)]  # a session stays in its project, and asks what it wasn't given yet
        if number % A_SESSION == 0:
            session, asked = str(uuid4()), [each for each in rows if each["project"] == row["project"]]
            _hook(server, {"session_id": session, "hook_event_name": "SessionStart", "source": "startup"}, row["project"])
        row = asked[number % len(asked)]
        hook: dict[str, Any] = {"session_id": session, "cwd": "/home/ada/shop", "prompt_id": str(number)}
        timed = {
            "prompt": hook | {"hook_event_name": "UserPromptSubmit", "prompt": f"{row['question']} ({number})"},
            "tool": hook
            | {
                "hook_event_name": "PostToolUse",
                "tool_name": "Bash",
                "tool_use_id": f"{session}-{number}",
                "tool_input": {"command": "pytest -q"},
                "tool_response": {"stdout": "1 passed\n" * 40, "stderr": ""},
            },
        }
        for name, body in timed.items():
            began, spent = time.perf_counter(), cpu_seconds(process)
            _hook(server, body, row["project"])
            if number >= WARM_UP:
                waited[name].append((time.perf_counter() - began) * 1000)
                used[name] += (cpu_seconds(process) - spent) * 1000 / TIMED
    return [
        *latencies("hooks", "a prompt's hook", waited["prompt"], p95_target=PROMPT_MS),
        *latencies("hooks", "a tool's hook", waited["tool"], p95_target=TOOL_MS),
        *(Figure("hooks", f"server's CPU, of a {name}'s hook", "ms", spent) for name, spent in used.items()),
        Figure("hooks", "points in the index", "", _points(server)),
    ]


def figures(found: Iterable[tuple[float, float, float]]) -> list[Figure]:
    set_to = HooksSettings().min_score
    (_, held, silent) = next(each for each in found if each[0] == set_to)
    return [
        Figure("hooks", f"questions whose answer is given, at {set_to}", "", held, HELD, at_least=True),
        Figure("hooks", f"another project's prompts that are given nothing, at {set_to}", "", silent, SILENT, at_least=True),
    ]


def _ask(server: Running, prompt: str, project: str, answers: tuple[str, ...]) -> Asked:
    question = prompts.question_in(prompt)
    found: list[Any] = []
    if question is not None:
        fields = {"project": project, "limit": prompts.MAX_RESULTS, "min_score": 0.0, "max_tokens": prompts.SEARCHED_TOKENS}
        found = server.knowledge(question, **fields)
    return Asked(prompt, project, answers, tuple(_result(each) for each in found))


def _hook(server: Running, body: dict[str, Any], project: str) -> None:
    server._ask(
        "POST", "/v1/hooks/claude-code", json.dumps(body).encode(), {"content-type": "application/json", "x-cairn-project": project}
    )


def _result(reply: dict[str, Any]) -> Result:
    source = reply["source"]
    session, at = source.get("session_id"), source.get("at")
    quote = Quote(
        UUID(session) if session else None,
        source["transcript"],
        source["locator"],
        source["excerpt"],
        datetime.fromisoformat(at) if at else None,
    )
    same = {name: reply[name] for name in ("kind", "type", "title", "text", "score", "confidence", "freshness", "project")}
    return Result(id=UUID(reply["id"]), source=quote, created_at=None, evidence_count=1, **same)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("&lt;", "<")).lower()


def _points(server: Running) -> float:
    found = re.search(r"^cairn_vector_points\{kind=\"all\"\} (\S+)", server.text("/metrics"), re.MULTILINE)
    return float(found[1]) if found else 0.0


def _read_sessions(server: Running, scratch: Path, copies: int) -> None:
    data = data_folder()
    uploads = lines(data / "questions" / "uploads.jsonl")
    jobs = [server.upload(data / upload["transcript"], upload["project"]) for upload in uploads]
    for number in range(1, copies + 1):
        for place, upload in enumerate(uploads):
            source = data / upload["transcript"]
            copy = scratch / f"{number}-{place}-{source.name}"
            copy.write_bytes(_other(source.read_bytes(), number))
            jobs.append(server.upload(copy, f"copy-{number}/{upload['project']}"))
    for job in jobs:
        server.finished(job, seconds=3 * 3600)


def _other(transcript: bytes, number: int) -> bytes:
    """Return a transcript of other sessions, whose passages are nobody's yet: as long, with a word of their own now and then."""
    renamed = UUIDS.sub(lambda found: str(uuid5(UUID(found[0].decode()), str(number))).encode(), transcript)
    return renamed.replace(b" the ", f" the{number} ".encode()).replace(b" a ", f" a{number} ".encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="a data folder that is kept; filled where it doesn't exist yet")
    parser.add_argument("--copies", type=int, default=0, help="times that the sessions are read again as others")
    parser.add_argument("--speed", action="store_true", help="measure how long hooks take, and nothing else")
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="cairn-") as scratch:
        folder = arguments.folder or Path(scratch) / "hooks"
        fresh = not folder.exists()
        with running(folder) as server:
            if fresh:
                _read_sessions(server, Path(scratch), arguments.copies)
            timed = speed(server)
            found = [] if arguments.speed else curve(ask_all(server))
    measured = timed if arguments.speed else [*figures(found), *timed]
    print("| threshold | answer given | another project's prompts given nothing |\n| --- | --- | --- |")
    print("\n".join(f"| {threshold:.2f} | {held:.3f} | {silent:.3f} |" for threshold, held, silent in found))
    show(measured)
    return 0 if all(each.met for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
