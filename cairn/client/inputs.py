"""The arguments of the client's methods: words of fixed lists, and the arguments that several methods share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypedDict

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
Order = Literal["newest", "oldest"]
ItemState = Literal["stale", "recorded", "corrected"]
Kind = Literal["item", "passage"]
JobState = Literal["queued", "running", "done", "failed"]
ReviewList = Literal["new", "contradicted", "outdated", "never_used", "most_useful"]
Intent = Literal["learning", "exploration", "debugging", "feature-dev", "refactoring", "testing", "optimization", "documentation"]
Verdict = Literal["helpful", "wrong", "stale"]
Decision = Literal["this_holds", "both_hold", "undecided"]


class QueryFilters(TypedDict, total=False):
    """The filters of a query. One that is left out is the server's default.

    `project`: only this one; `prefer_project`: ranked higher. `types`: only items of these. `kinds`: items, passages or both.
    `intents`: only what was said or learnt for prompts of these.
    `files`: that are open in the editor: what mentions them ranks higher. `subject`: only items about this file, symbol, setting, tool,
    service or ticket, or with all of these words. `since`, `until`: when it was said. `limit`: of results; `max_tokens`: of their texts
    together. `min_score`: 0 to 1.
    """

    project: str | None
    prefer_project: str | None
    types: Sequence[KnowledgeType]
    intents: Sequence[Intent]
    kinds: Sequence[Kind]
    files: Sequence[str]
    subject: str
    since: datetime | None
    until: datetime | None
    limit: int
    max_tokens: int | None
    min_score: float | None


class ItemFilters(TypedDict, total=False):
    """The filters of a list of items. `subject`: a name, or words in title, text or files. `hidden`: those judged wrong, and no others.

    `state`: those out of date, recorded or corrected by a person.
    """

    project: str | None
    type: KnowledgeType | None
    since: datetime | None
    until: datetime | None
    subject: str | None
    session: str | None
    hidden: bool
    state: ItemState | None
    order: Order


class SessionFilters(TypedDict, total=False):
    """The filters of a list of sessions. `provider`: an agent, such as claude-code. `own`: those of this key's developer.

    `developer`: who sent them. `subject`: words of title, file name or branch, or of what was said or learnt.
    """

    project: str | None
    provider: str | None
    since: datetime | None
    until: datetime | None
    subject: str | None
    developer: str | None
    own: bool
    order: Order


class ProjectFilters(TypedDict, total=False):
    """The filters of a list of projects: by when they were made."""

    since: datetime | None
    until: datetime | None
    order: Literal["name", "newest", "oldest"]


class JobFilters(TypedDict, total=False):
    """The filters of a list of jobs. `developer`: who asked for them; another's are for leads and admins."""

    state: JobState | None
    kind: str | None
    project: str | None
    developer: str | None
    since: datetime | None
    until: datetime | None
    order: Order


class CostFilters(TypedDict, total=False):
    """The filters of a list of sessions' costs. `session`, `agent`: by the ids that the agent gave."""

    project: str | None
    session: str | None
    agent: str | None
    developer: str | None
    since: datetime | None
    until: datetime | None


class UploadOptions(TypedDict, total=False):
    """The facts that may be told of a transcript.

    `project`: by default the repository or folder that the session worked in. `format`: by default recognised. `name`: of the file, which
    citations show. `modified_at`: the date of a session whose events have none. `directory`: the folder that it worked in.
    """

    project: str | None
    format: str
    name: str
    modified_at: datetime | None
    directory: str | None


class OpenAIOptions(TypedDict):
    """Arguments of `openai.OpenAI` and `AsyncOpenAI`."""

    base_url: str
    api_key: str


class AnthropicOptions(TypedDict):
    """Arguments of `anthropic.Anthropic` and `AsyncAnthropic`."""

    base_url: str
    auth_token: str
