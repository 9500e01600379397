"""The routes that the client asks, each once: what is sent there, what is answered, and whether asking twice is safe.

`tests/unit/client/test_endpoints.py` compares them with the server's OpenAPI page, and lists the routes that aren't here.
"""

from __future__ import annotations

from typing import Final

from cairn.client.records.analysis import SessionAnalysis
from cairn.client.records.assistance import Classification, Me, Models, Project, ProjectPage, Redaction, SessionContext
from cairn.client.records.budget import Budget, SessionCostDetails, SessionCostPage
from cairn.client.records.knowledge import ContradictionPage, History, Item, ItemPage, Passage, QueryReply
from cairn.client.records.patterns import PatternPage
from cairn.client.records.policies import Policies, PolicyCheck
from cairn.client.records.review import Review, ReviewPage
from cairn.client.records.sessions import Accepted, Appended, Captures, Job, JobPage, Purged, SessionDetails, SessionPage, SimilarSessions
from cairn.client.requests import BYTES_TYPE, NDJSON_TYPE, Endpoint

QUERY_FIELDS: Final = (
    "query", "project", "prefer_project", "types", "intents", "kinds", "files", "subject",
    "since", "until", "limit", "max_tokens", "min_score", "mode",
)  # fmt: skip

QUERY: Final = Endpoint[QueryReply]("POST", "/v1/knowledge/query", QueryReply, body=(*QUERY_FIELDS, "explain"), repeatable=True)
ASK: Final = Endpoint[QueryReply]("POST", "/v1/knowledge/query", QueryReply, body=(*QUERY_FIELDS, "stream"))
"""A model may write the answer, and is paid for it: sent again only where nothing was done, which a 503 doesn't say."""

READ: Final = Endpoint[Item | Passage]("GET", "/v1/knowledge/{item_id}", Passage | Item, repeatable=True)
RECORD: Final = Endpoint[Item](
    "POST", "/v1/knowledge", Item, body=("type", "title", "text", "project", "paths"), repeatable=True, keyed=True
)
"""The same text in the same project is recorded once, with or without an idempotency key."""
CORRECT: Final = Endpoint[Item]("PATCH", "/v1/knowledge/{item_id}", Item, headers=("if-match",), body=("type", "title", "text", "paths"))
DELETE: Final = Endpoint[None]("DELETE", "/v1/knowledge/{item_id}", None)
JUDGE: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/feedback", Item, body=("verdict", "note"), repeatable=True)
RESTORE: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/restore", Item, repeatable=True)
DECIDE: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/contradictions/{other_id}", Item, body=("decision",), repeatable=True)
CONTRADICTIONS: Final = Endpoint[ContradictionPage](
    "GET", "/v1/knowledge/contradictions", ContradictionPage, query=("project", "limit", "cursor"), repeatable=True
)
KEEP: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/keep", Item, repeatable=True)
RETIRE: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/retire", Item, repeatable=True)
MERGE: Final = Endpoint[Item]("POST", "/v1/knowledge/{item_id}/merge", Item, body=("into",), repeatable=True)
REVIEW: Final = Endpoint[Review]("GET", "/v1/knowledge/review", Review, query=("project",), repeatable=True)
REVIEW_LIST: Final = Endpoint[ReviewPage](
    "GET", "/v1/knowledge/review/{name}", ReviewPage, query=("project", "limit", "cursor"), repeatable=True
)
HISTORY: Final = Endpoint[History]("GET", "/v1/knowledge/{item_id}/history", History, repeatable=True)
ITEMS: Final = Endpoint[ItemPage](
    "GET",
    "/v1/knowledge",
    ItemPage,
    query=("project", "type", "since", "until", "subject", "session", "hidden", "state", "order", "limit", "cursor"),
    repeatable=True,
)

UPLOAD: Final = Endpoint[Accepted](
    "POST",
    "/v1/sessions",
    Accepted,
    query=("project", "format", "name", "modified_at", "directory"),
    content=BYTES_TYPE,
    repeatable=True,
    keyed=True,
)
"""A transcript that comes twice is read twice, and changes nothing the second time."""
APPEND: Final = Endpoint[Appended](
    "POST", "/v1/sessions/{session}/events", Appended, query=("project",), content=NDJSON_TYPE, repeatable=True
)
SESSIONS: Final = Endpoint[SessionPage](
    "GET",
    "/v1/sessions",
    SessionPage,
    query=("project", "provider", "since", "until", "subject", "developer", "own", "order", "limit", "cursor"),
    repeatable=True,
)
SESSION: Final = Endpoint[SessionDetails]("GET", "/v1/sessions/{session_id}", SessionDetails, repeatable=True)
SIMILAR: Final = Endpoint[SimilarSessions]("GET", "/v1/sessions/{session_id}/similar", SimilarSessions, query=("limit",), repeatable=True)
FOLLOW: Final = Endpoint[None](
    "GET", "/v1/sessions/{session_id}/stream", None, query=("seconds",), headers=("last-event-id",), repeatable=True
)
ANALYSIS: Final = Endpoint[SessionAnalysis](
    "GET", "/v1/sessions/{session_id}/analysis", SessionAnalysis, query=("limit", "cursor"), repeatable=True
)
PATTERNS: Final = Endpoint[PatternPage](
    "GET", "/v1/patterns", PatternPage, query=("project", "min_sessions", "limit", "cursor"), repeatable=True
)
PURGE: Final = Endpoint[Purged]("DELETE", "/v1/sessions/{session_id}", Purged)
JOB: Final = Endpoint[Job]("GET", "/v1/jobs/{job_id}", Job, repeatable=True)
JOBS: Final = Endpoint[JobPage](
    "GET",
    "/v1/jobs",
    JobPage,
    query=("state", "kind", "project", "developer", "since", "until", "order", "limit", "cursor"),
    repeatable=True,
)
CAPTURES: Final = Endpoint[Captures]("GET", "/v1/captures", Captures, repeatable=True)

ME: Final = Endpoint[Me]("GET", "/v1/me", Me, repeatable=True)
CONTEXT: Final = Endpoint[SessionContext]("GET", "/v1/context/session", SessionContext, query=("project", "max_tokens"), repeatable=True)
PROJECTS: Final = Endpoint[ProjectPage](
    "GET", "/v1/projects", ProjectPage, query=("since", "until", "order", "limit", "cursor"), repeatable=True
)
PROJECT: Final = Endpoint[Project]("GET", "/v1/projects/{project_id}", Project, repeatable=True)
CLASSIFY: Final = Endpoint[Classification]("POST", "/v1/classify", Classification, body=("text", "context", "events"), repeatable=True)
REDACT: Final = Endpoint[Redaction]("POST", "/v1/redact", Redaction, body=("text",), repeatable=True)
POLICIES: Final = Endpoint[Policies]("GET", "/v1/policies", Policies, query=("project",), repeatable=True)
CHECK_POLICIES: Final = Endpoint[PolicyCheck](
    "POST", "/v1/policies/check", PolicyCheck, body=("events", "policies", "file", "project"), repeatable=True
)
MODELS: Final = Endpoint[Models]("GET", "/v1/models", Models, repeatable=True)

BUDGET: Final = Endpoint[Budget]("GET", "/v1/budget", Budget, repeatable=True)
SESSION_COSTS: Final = Endpoint[SessionCostPage](
    "GET",
    "/v1/budget/sessions",
    SessionCostPage,
    query=("project", "session", "agent", "developer", "since", "until", "order", "limit", "cursor"),
    repeatable=True,
)
SESSION_COST: Final = Endpoint[SessionCostDetails]("GET", "/v1/budget/sessions/{session}", SessionCostDetails, repeatable=True)

ENDPOINTS: Final[dict[str, Endpoint[object]]] = {name: each for name, each in globals().items() if isinstance(each, Endpoint)}
