"""An item's relations in replies: what it is about, the items that it replaces or that replace it, and those it contradicts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.api.schema import ResponseBody
from app.knowledge.item import LinkCause, SubjectKind


class SubjectReply(ResponseBody):
    """Something that an item is about."""

    kind: SubjectKind
    name: str = Field(description="In one spelling: lower case, but a ticket's upper, without quotes, brackets and line numbers.")


class ReplacementReply(ResponseBody):
    """The item that replaces a result."""

    id: UUID
    title: str
    at: datetime = Field(description="When it was said.")


class ReplacedByReply(ResponseBody):
    """The item that replaces another one."""

    id: UUID
    title: str


class LinkedItemReply(ResponseBody):
    """An item that replaces another, or is replaced by it."""

    id: UUID
    title: str
    words: str = Field(description="The later item's words, that say so: quoted. Empty where only a person says so.")
    at: datetime = Field(description="When they were said, or a person decided it.")
    cause: LinkCause = Field(
        description="`said` by the later item; `decided` by a person between two that contradict each other; `merged` by a person."
    )


class ContradictingItemReply(ResponseBody):
    """An item that can't hold beside another one."""

    id: UUID
    title: str
    words: str = Field(description="Its words: quoted.")
    own_words: str = Field(description="Words of the item that is shown, which those contradict: quoted.")
