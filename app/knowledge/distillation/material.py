"""Chooses what of a session a model is shown: its dialogue, in parts that are asked about, stored and checkpointed one after another. Pure.

Left out, as for the rules: what tools printed, what was read from files, what Cairn served, pasted prompts, and prompt injections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.knowledge.extraction.drafts import MAX_PROMPT_CHARS
from app.knowledge.extraction.exchanges import MAX_VERDICT_CHARS, mark_sources
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.noise import is_injection
from app.knowledge.passages.cut import PassageCutter
from app.knowledge.passages.passage import Passage
from app.sessions.event import Event
from app.tokens import count_text
from app.trajectory.events import ending

Batch = tuple[Passage, ...]
"""Passages of one call."""


@dataclass(frozen=True, slots=True)
class MaterialPart:
    """The passages of the events in (`after`, `upto`]: whole events, so that they can be checkpointed. No batch: nothing to ask."""

    after: int
    upto: int
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class SessionMaterial:
    """A session's parts still to be asked about, in order, the last one reaching its end. `event_ids`: of all its events, by seq.

    `corrections`: the person's next prompt, by the number of the exchange that it corrects.
    """

    parts: Sequence[MaterialPart]
    event_ids: Mapping[int, str]
    corrections: Mapping[int, str]

    def others(self, part: MaterialPart) -> frozenset[str]:
        """Return the ids of the events that are not of this part."""
        return frozenset(each for seq, each in self.event_ids.items() if not part.after < seq <= part.upto)


def collect(numbered: Iterable[tuple[int, Event]], session: str, *, after: int, until: int, batch_tokens: int) -> SessionMaterial:
    """Read a session's events from its beginning, since what was read or served earlier matters, and return the parts after `after`."""
    cutter, memory = PassageCutter(session), SessionMemory()
    ids: dict[int, str] = {}
    corrections: dict[int, str] = {}
    shown: list[Passage] = []
    for seq, event in numbered:
        ids[seq] = event.id
        mark_sources(event, memory)
        if event.kind == "prompt" and not event.sidechain and ending(event.text) == "corrected":
            corrections[cutter.state.exchange] = event.text[:MAX_VERDICT_CHARS]
        passages = cutter.feed(seq, event)
        if seq > after and not _is_pasted(event):
            shown += (each for each in passages if _may_teach(each, memory))
    return SessionMaterial(list(_parts(shown, after, until, batch_tokens)), ids, corrections)


def _is_pasted(event: Event) -> bool:
    return event.kind == "prompt" and len(event.text) > MAX_PROMPT_CHARS


def _may_teach(passage: Passage, memory: SessionMemory) -> bool:
    """Tell whether a passage is the main dialogue's own words. Sub-agents' are left out, as for the rules."""
    if passage.kind != "said" or passage.sidechain:
        return False
    return not memory.is_known(passage.text) and not is_injection(passage.text)


def _parts(passages: Sequence[Passage], after: int, until: int, batch_tokens: int) -> Iterator[MaterialPart]:
    """Group whole events into parts of at most one batch; an event that exceeds one is a part of several."""
    current: list[Passage] = []
    size = 0
    for _, group in groupby(passages, key=lambda each: each.seq):
        event = list(group)
        tokens = sum(map(_tokens, event))
        if current and size + tokens > batch_tokens:
            yield MaterialPart(after, current[-1].seq, tuple(_batches(current, batch_tokens)))
            after, current, size = current[-1].seq, [], 0
        current += event
        size += tokens
    yield MaterialPart(after, until, tuple(_batches(current, batch_tokens)))


def _batches(passages: Sequence[Passage], batch_tokens: int) -> Iterator[Batch]:
    batch: list[Passage] = []
    size = 0
    for passage in passages:
        tokens = _tokens(passage)
        if batch and size + tokens > batch_tokens:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(passage)
        size += tokens
    if batch:
        yield tuple(batch)


def _tokens(passage: Passage) -> int:
    return count_text(passage.text)
