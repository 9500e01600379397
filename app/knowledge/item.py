"""The domain values of knowledge: items, their types, citations and history, and the candidates that extraction hands to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args
from uuid import UUID

from app.freshness.verdicts import CodeVerdict, Reason
from app.trajectory.intent import Intent

Kind = Literal["item", "passage"]
"""An item (distilled) or a passage (verbatim dialogue)."""
PASSAGE: Kind = "passage"
"""Also the `type` of every passage, in results and in the index; an item's type is one of KNOWLEDGE_TYPES."""
KINDS: tuple[Kind, ...] = get_args(Kind)

KnowledgeType = Literal[
    "coding_pattern",
    "architectural_decision",
    "bug_solution",
    "implementation_strategy",
    "tool_usage",
    "optimization",
    "integration_pattern",
    "refactoring",
    "testing_strategy",
    "deployment_approach",
    "gotcha",
    "abstract_concept",
]
KNOWLEDGE_TYPES: tuple[KnowledgeType, ...] = get_args(KnowledgeType)


SubjectKind = Literal["file", "symbol", "setting", "tool", "service", "ticket"]

Freshness = Literal["fresh", "stale", "changed", "gone", "unverifiable"]
"""`stale`: more people say so than find it helpful. Else by the code that it speaks of, where that was checked (`CodeMark`): `changed`
since, `gone`, or `unverifiable`. `fresh`: neither people nor the code say otherwise. Never by age, which is told in days."""

AgeBand = Literal["under_30_days", "30_to_90_days", "90_to_180_days", "over_180_days"]
AGE_BANDS: tuple[AgeBand, ...] = get_args(AgeBand)
"""The youngest first."""

Verdict = Literal["helpful", "wrong", "stale"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

HistoryAction = Literal[
    "learnt", "merged", "recorded", "corrected", "judged", "used", "refused", "replaced", "restored",
    "contradicted", "decided", "merged_into", "absorbed", "retired", "reinstated",
]  # fmt: skip

Standing = Literal["portable", "team_practice"]
"""An item that another project of the team holds too; one that two people or more stand by."""
STANDINGS: tuple[Standing, ...] = get_args(Standing)

Decision = Literal["this_holds", "both_hold", "undecided"]
"""A person's decision between two items that contradict each other, as one of them tells it; `undecided` takes one back."""
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)

LinkCause = Literal["said", "decided", "merged"]
"""The cause for which an item replaces another: its words say so, a person decided between the two, or merged the older one into it."""

ReviewList = Literal["new", "contradicted", "outdated", "never_used", "most_useful"]
REVIEW_LISTS: Final[tuple[ReviewList, ...]] = get_args(ReviewList)
"""The lists of items that a lead reviews (`review_lists`)."""

MAX_PAGE = 200
"""Items of a page."""
RECORDED = "recorded by a person"
"""The `transcript` of a citation whose source is a person."""
EXCERPT_CHARS = 400
"""Length of the excerpt that cites a recorded item: the beginning of its text."""


class Subject(NamedTuple):
    """A thing that an item is about. `name`: in one spelling, as `subjects.spelling.normalised` returns it."""

    kind: SubjectKind
    name: str


class LinkedItem(NamedTuple):
    """An item that replaces another, or is replaced. `words`: the later one's, that say so; `at`: when they were said.

    `cause` other than `said`: a person's deed at that time, without words.
    """

    id: UUID
    title: str
    words: str
    at: datetime
    cause: LinkCause = "said"


class ContradictingItem(NamedTuple):
    """An item that can't hold beside another. `words`: its own; `own_words`: the other's, which contradict them."""

    id: UUID
    title: str
    words: str
    own_words: str


class ContradictionSide(NamedTuple):
    """One of two items that contradict each other. `words`: its own, that do; `said_at`: when it was first said, or recorded."""

    id: UUID
    title: str
    words: str
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two items of a project that can't both hold, and nobody has decided. `id`: its number in lists; `sides`: the earlier first."""

    id: int
    project_id: UUID
    found_at: datetime
    sides: tuple[ContradictionSide, ContradictionSide]


@dataclass(frozen=True, slots=True)
class Quote:
    """A citation: where an item was learnt or a passage said. `excerpt` is verbatim: quoted material, never an instruction.

    `session_id` None: a person recorded the item; then `transcript` is RECORDED, `locator` the item's id, `excerpt` the text's beginning.
    `branch`, `commit`: the session's, where known and asked for.
    """

    session_id: UUID | None
    transcript: str
    locator: str
    excerpt: str
    at: datetime | None
    branch: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class CodeMark:
    """The verdict on the code that an item speaks of, as somebody checked it in a repository (`app.freshness`).

    `path`, `symbol`: what was looked up; `former_path`: where it was, if elsewhere. `commit`, `committed_at`: what changed or removed it.
    `reason`: why it can't be verified. `head`: the commit that was checked.
    """

    repository: str
    verdict: CodeVerdict
    head: str
    path: str | None = None
    symbol: str | None = None
    former_path: str | None = None
    commit: str | None = None
    committed_at: datetime | None = None
    reason: Reason | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckableItem:
    """An item to check. `said_at`: changes of the code after it count. `mark`: of the last check in the same repository."""

    id: UUID
    created_at: datetime
    revision: str
    title: str
    text: str
    paths: Sequence[str]
    said_at: datetime
    mark: CodeMark | None


@dataclass(frozen=True, slots=True)
class GivenMark:
    """A mark for the item `id`, of its words at `revision`, as last said at `said_at`; None: the sender doesn't tell."""

    id: UUID
    revision: str
    mark: CodeMark
    said_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ItemCandidate:
    """A candidate that extraction found in one session, quoted and condensed from its events.

    `text` is understandable without the session; `excerpt` is verbatim from the event at `locator`.
    `key` is stable within the session: extracting it again, even after it has grown, yields the same key.
    """

    key: str
    type: KnowledgeType
    title: str
    text: str
    confidence: float
    event_id: str
    locator: str
    excerpt: str
    at: datetime | None = None
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item with its evidence, newest first. `developer_id`: its author; None: an admin, or somebody who was removed.

    `used`, `refused`: numbers of sessions that used it, by whether the person accepted that. `code`: its marks, one of each repository;
    `code_verdict`: of all of them. `created_at`: when it was first said; `learnt_at`: when Cairn learnt it. `retired`: a lead hides it.
    `distilled`: a model worded it; what rules extracted, a person recorded or corrected has their words.
    `evidence`, `evidence_count`, `used` and `refused` have those of the items that were merged into it, too; in results they are its own.
    """

    id: UUID
    type: str
    intent: str | None
    title: str
    text: str
    confidence: float
    project_id: UUID
    developer_id: UUID | None
    evidence_count: int
    created_at: datetime
    last_seen_at: datetime
    origin: str
    paths: Sequence[str]
    corrected_at: datetime | None
    helpful: int
    wrong: int
    stale: int
    hidden: bool
    used: int
    refused: int
    evidence: tuple[Quote, ...]
    subjects: tuple[Subject, ...]
    learnt_at: datetime
    replaced_by: tuple[LinkedItem, ...]
    replaces: tuple[LinkedItem, ...]
    contradicts: tuple[ContradictingItem, ...]
    standing: tuple[Standing, ...] = ()
    retired: bool = False
    distilled: bool = False
    code_verdict: CodeVerdict | None = None
    code: tuple[CodeMark, ...] = ()


@dataclass(frozen=True, slots=True)
class BriefedItem:
    """An item with its newest citation. `author`: who recorded it, if a developer did.

    `at`: when it was last recorded, corrected or learnt. Its words come from people or sessions: quoted, never an instruction.
    """

    id: UUID
    type: str
    title: str
    text: str
    author: UUID | None
    at: datetime
    source: Quote


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One event in an item's history, dated when it happened in Cairn (the session itself may be older).

    `merged`: another place taught the same. `used`: a session did what it says, and the person accepted that; `refused`: took it back.
    `replaced`: another item replaces it, `note` has its words and `other` its id; `restored`: a person undid that.
    `contradicted`: `other` can't hold beside it, `note` has its words; `decided`: a person decided between the two, `note` says how.
    `merged_into`: a person merged it into another item, which has `absorbed`. `retired`: a lead hid it; `reinstated`: brought it back.
    `developer_id` None: nobody (it was learnt), an admin (`by_admin`), or a removed developer.
    `title`, `text`, `type`, `paths`: the session's words, or what the person wrote; None: unchanged.
    """

    what: HistoryAction
    at: datetime
    developer_id: UUID | None = None
    by_admin: bool = False
    type: str | None = None
    title: str | None = None
    text: str | None = None
    paths: Sequence[str] | None = None
    verdict: str | None = None
    note: str | None = None
    source: Quote | None = None
    other: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """The number of items in each list of a review. `new_since`: since when an item is new."""

    new_since: datetime
    counts: Mapping[ReviewList, int]


@dataclass(frozen=True, slots=True)
class LearntItem:
    """An item that a session taught, as a list of them shows it."""

    id: UUID
    type: str
    title: str


@dataclass(frozen=True, slots=True)
class LearntItems:
    """The items that a session taught: their number, and the newest of them."""

    count: int
    newest: tuple[LearntItem, ...]


ItemState = Literal["stale", "changed", "gone", "recorded", "corrected"]
ITEM_STATES: Final[tuple[ItemState, ...]] = get_args(ItemState)


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """A filter of items. `project_id`: a project of the team. `since`, `until`: when first learnt or recorded, half-open.

    `subject`: a name that it is about, or words that its title, text and paths must all contain (`subject_rows.about`). `session_id`:
    learnt from this session.
    `state`: only those out of date by people's verdicts, whose code changed or is gone, or that a person recorded or corrected.
    `hidden`: only items that people's verdicts hide, instead of only the others. `oldest_first`: the order, else newest first.
    """

    project_id: UUID | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject: str = ""
    session_id: UUID | None = None
    hidden: bool = False
    state: ItemState | None = None
    oldest_first: bool = False
