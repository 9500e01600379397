"""Change conversations on their way to a provider, and undo it in what comes back, such as names masked for the provider alone.

The engine of conversations applies transforms without knowing what they do. Knows no dialect and no provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from app.inference.answer_events import AnswerEvent, WholeAnswer
from app.inference.conversation import Conversation


class AnswerTransform(Protocol):
    """Undoes in one answer what was done to its request. What a delta may only be the beginning of is held back until its part ends."""

    def event(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        """Yield what the caller gets for an event, in the order of a valid stream."""

    def end(self) -> Iterator[AnswerEvent]:
        """Yield what was held back until the stream's end."""

    def answer(self, answer: WholeAnswer) -> WholeAnswer:
        """Return what the caller gets for a whole answer."""


class ConversationTransform(Protocol):
    """Changes requests. Equal conversations must come out equal: caches compare what is sent. May run in a thread."""

    def apply(self, conversation: Conversation) -> tuple[Conversation, AnswerTransform]:
        """Return the conversation to send, the same object if nothing changes, and what undoes it in its answer."""


class AnswerTransforms:
    """Several as one: the last that changed the request is undone first."""

    def __init__(self, applied: Sequence[AnswerTransform]) -> None:
        self._undone = tuple(reversed(applied))

    def event(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        return _through(self._undone, event)

    def end(self) -> Iterator[AnswerEvent]:
        for at, each in enumerate(self._undone, 1):
            for event in each.end():
                yield from _through(self._undone[at:], event)

    def answer(self, answer: WholeAnswer) -> WholeAnswer:
        for each in self._undone:
            answer = each.answer(answer)
        return answer


def apply_all(transforms: Sequence[ConversationTransform], conversation: Conversation) -> tuple[Conversation, AnswerTransform]:
    """Apply transforms in order. Return the conversation to send, and what undoes them all."""
    applied = []
    for each in transforms:
        conversation, undoing = each.apply(conversation)
        applied.append(undoing)
    return conversation, AnswerTransforms(applied)


def _through(transforms: Sequence[AnswerTransform], event: AnswerEvent) -> Iterator[AnswerEvent]:
    if not transforms:
        yield event
        return
    for made in transforms[0].event(event):
        yield from _through(transforms[1:], made)
