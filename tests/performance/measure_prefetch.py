"""Would asking ahead pay? An order-1 table over what the real sessions asked, in order: which predictions came true, which were waste.

python tests/performance/measure_prefetch.py

There is no recorded trace of knowledge queries: what people asked (prompts) and what their agents looked for (tool calls that search or
read) stand in for them. An answer is taken to be good for so many further questions of its session: then a write has replaced it.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app import settings
from app.errors import UnknownFormat
from app.sessions import formats
from app.sessions.event import Event
from app.sessions.formats.tally import ParseTally

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
LIFETIMES = (5, 20, 10**9)
MIN_SEEN = (1, 2)
LOOKING = ("grep", "glob", "search", "read", "find", "list", "ls")


def sessions(wanted: Callable[[Event], str | None]) -> Iterator[list[str]]:
    """Of each file what was asked, in order."""
    for path in sorted(path for path in (DATA / "transcripts").rglob("*") if path.suffix in {".md", ".jsonl"}):
        content = path.read_bytes()
        try:
            found = formats.detect(content[: formats.HEAD_BYTES])
        except UnknownFormat:
            continue
        events = formats.parse(iter([content]), format=found, limits=settings.SessionsSettings(), tally=ParseTally())
        asked = [words for each in events if isinstance(each, Event) and (words := wanted(each))]
        if asked:
            yield asked


def prompt(event: Event) -> str | None:
    return event.text.strip() if event.role == "user" and event.tool is None else None


def lookup(event: Event) -> str | None:
    if event.tool is None or not any(word in event.tool.name.casefold() for word in LOOKING):
        return None
    return f"{event.tool.name}\0{event.tool.input}"


def replay(traces: Sequence[list[str]], *, lifetime: int, least: int) -> tuple[int, int, int, int]:
    """(questions, hits without, asked ahead, of those used). A table for each session: a developer at work on a project."""
    questions = hits = ahead = used = 0
    for trace in traces:
        followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        good: dict[str, int] = {}
        guessed: dict[str, int] = {}
        for place, asked in enumerate(trace):
            questions += 1
            if good.get(asked, -1) >= place:
                hits += 1
            elif guessed.pop(asked, -1) >= place:
                used += 1
                good[asked] = place + lifetime
            else:
                good[asked] = place + lifetime
            if place:
                followers[trace[place - 1]][asked] += 1
            for guess, count in followers[asked].most_common(1):
                if count >= least and good.get(guess, -1) <= place and guessed.get(guess, -1) <= place:
                    guessed[guess] = place + lifetime
                    ahead += 1
    return questions, hits, ahead, used


def main() -> None:
    print("| trace | an answer is good for | seen | questions | hits without | asked ahead | used | waste |\n|" + " --- |" * 8)
    for name, wanted in (("prompts", prompt), ("lookups of agents", lookup)):
        traces = list(sessions(wanted))
        for lifetime in LIFETIMES:
            for least in MIN_SEEN:
                questions, hits, ahead, used = replay(traces, lifetime=lifetime, least=least)
                good = "ever" if lifetime > 10**6 else f"{lifetime} questions"
                waste = f"{100 * (1 - used / ahead):.0f} %" if ahead else "–"
                print(f"| {name} | {good} | ≥ {least} | {questions:,} | {100 * hits / questions:.1f} % | {ahead:,} | {used:,} | {waste} |")


if __name__ == "__main__":
    main()
