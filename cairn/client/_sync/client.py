# Written from cairn/client/_async/client.py by `python -m tests.sync_client`: change that one.
"""The client: one server, one key, a pool of connections."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Self, Unpack

import httpx2

from cairn.client._sync.budget import Budgets
from cairn.client._sync.jobs import Jobs
from cairn.client._sync.knowledge import Knowledge
from cairn.client._sync.sessions import Sessions
from cairn.client._sync.streams import Stream
from cairn.client._sync.transport import Transport
from cairn.client.address import find_address
from cairn.client.endpoints import ASK, CAPTURES, CHECK_POLICIES, CLASSIFY, CONTEXT, ME, MODELS, POLICIES, PROJECT, PROJECTS, QUERY, REDACT
from cairn.client.errors import ConnectionLost
from cairn.client.inputs import AnthropicOptions, OpenAIOptions, ProjectFilters, QueryFilters
from cairn.client.reading import read
from cairn.client.records.assistance import Classification, Me, Model, Project, ProjectPage, Redaction, SessionContext
from cairn.client.records.knowledge import QueryReply, Sentence
from cairn.client.records.policies import Policies, PolicyCheck
from cairn.client.records.sessions import Capture, Event
from cairn.client.requests import Given
from cairn.client.retries import RetryPolicy
from cairn.client.transfer import DEFAULT_SECONDS, DONE, event_data

ANSWER_SECONDS = 180.0
"""Longest silence of a model that writes an answer."""
PAGE_SIZE = 1000
"""Projects that are asked for at once."""


class Client:
    """A client of one Cairn server: `with Client() as client:`. It may be shared by threads.

    `url`, `key`: by default CAIRN_URL and CAIRN_KEY, else those of the user's client.toml. `team`: for the admin key, which has none.
    `timeout`: seconds that the server may be silent. `retries`: of requests that failed and may be sent again. `transport`: a transport of
    httpx2, for a Unix socket, a proxy or certificates of your own.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        team: str | None = None,
        timeout: float = DEFAULT_SECONDS,
        retries: int = 2,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._address = find_address(url, key)
        self._transport = Transport(self._address, team=team, timeout=timeout, retries=RetryPolicy(retries=retries), transport=transport)
        self.knowledge = Knowledge(self._transport)
        self.jobs = Jobs(self._transport)
        self.sessions = Sessions(self._transport, self.jobs)
        self.budget = Budgets(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self.url!r})"

    @property
    def url(self) -> str:
        """Return the server's URL."""
        return self._address.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; streams that are open end."""
        self._transport.close()

    def me(self) -> Me:
        """Return who the key belongs to, and what it may: the first call of a plugin, which tries the key."""
        return self._transport.call(ME)

    def query(self, query: str, *, explain: bool = False, **filters: Unpack[QueryFilters]) -> QueryReply:
        """Find what the team has said and learnt: a question, an error message, a symbol. `explain`: how each score came about."""
        body = {"query": query, **filters, "mode": "search", "explain": explain}
        return self._transport.call(QUERY, Given(body=body))

    def ask(self, query: str, **filters: Unpack[QueryFilters]) -> QueryReply:
        """Answer a question in a few sentences, each cited: `answer` of the reply. Where a model writes it, the developer pays."""
        body = {"query": query, **filters, "mode": "answer", "stream": False}
        return self._transport.call(ASK, Given(body=body), silence=ANSWER_SECONDS)

    def ask_stream(self, query: str, **filters: Unpack[QueryFilters]) -> Stream[Sentence | QueryReply]:
        """Answer a question as `ask` does: a model's sentences while it writes them, then the whole reply, which alone counts."""
        return Stream(self._ask_stream({"query": query, **filters, "mode": "answer", "stream": True}))

    def _ask_stream(self, body: dict[str, object]) -> Generator[Sentence | QueryReply]:
        with self._transport.stream(ASK, Given(body=body)) as events:
            for event in events:
                if event.data == DONE:
                    return
                told = event_data(event)
                if "sentence" in told:
                    sentence: Sentence = read(Sentence, told["sentence"])
                    yield sentence
                elif "results" in told:
                    whole: QueryReply = read(QueryReply, told)
                    yield whole
        raise ConnectionLost(f"The answer of {self.url} ended before it was whole. Ask again.")

    def context(self, project: str | None = None, *, max_tokens: int | None = None) -> SessionContext:
        """Return what a session should know at its start. Empty for a project that the team doesn't have."""
        return self._transport.call(CONTEXT, Given(query={"project": project, "max_tokens": max_tokens}))

    def projects(self) -> tuple[Project, ...]:
        """Return the team's projects, by name."""
        return tuple([each for each in self._transport.every(PROJECTS, Given(query={"limit": PAGE_SIZE}), "projects")])

    def projects_page(self, *, cursor: str | None = None, limit: int | None = None, **filters: Unpack[ProjectFilters]) -> ProjectPage:
        """Return one page of projects, by name unless `order` says otherwise. `cursor`: `next_cursor` of the page before."""
        return self._transport.call(PROJECTS, Given(query={**filters, "limit": limit, "cursor": cursor}))

    def project(self, project_id: str) -> Project:
        """Return one project."""
        return self._transport.call(PROJECT, Given(path={"project_id": project_id}))

    def classify(self, text: str = "", *, context: str | None = None, events: Iterable[Event] = ()) -> Classification:
        """Tell what a prompt wants, with a confidence and the reason, and of `events` their activity and health. Nothing is stored.

        `context`: the end of the reply before the prompt.
        """
        body = {"text": text, "context": context, "events": [asdict(each) for each in events] or None}
        return self._transport.call(CLASSIFY, Given(body=body))

    def redact(self, text: str) -> Redaction:
        """Take the secrets out of a text. Nothing is stored."""
        return self._transport.call(REDACT, Given(body={"text": text}))

    def policies(self, project: str | None = None) -> Policies:
        """Return the policies of a project, or of the installation, and what policies are made of."""
        return self._transport.call(POLICIES, Given(query={"project": project}))

    def check_policies(
        self,
        events: Iterable[Event],
        *,
        policies: Sequence[Mapping[str, object]] | None = None,
        file: str | None = None,
        project: str | None = None,
    ) -> PolicyCheck:
        """Check events against the installation's policies, or those given. Nothing is stored.

        `policies`: definitions, as config/policies.yaml has them. `file`: the text of such a file. `project`: that project's policies.
        """
        body = {"events": [asdict(each) for each in events], "policies": policies, "file": file, "project": project}
        return self._transport.call(CHECK_POLICIES, Given(body=body))

    def models(self) -> tuple[Model, ...]:
        """Return the models that may be asked for."""
        return (self._transport.call(MODELS)).data

    def captures(self) -> tuple[Capture, ...]:
        """Return whose sessions are captured, and by which ways: a lead's or admin's whole team, else this developer's."""
        return (self._transport.call(CAPTURES)).captures

    def for_openai(self) -> OpenAIOptions:
        """Return what `openai.OpenAI(**…)` wants, to chat through Cairn within the budget. It holds the key."""
        return {"base_url": f"{self.url}/v1", "api_key": self._address.key}

    def for_anthropic(self) -> AnthropicOptions:
        """Return what `anthropic.Anthropic(**…)` wants, to chat through Cairn within the budget. It holds the key."""
        return {"base_url": self.url, "auth_token": self._address.key}
