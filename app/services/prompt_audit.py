"""Reads the audit of prompts: who switched whether a project shows them, and who read whose. One call for a route and a page alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.accounts.requester import PromptAction, Requester
from app.accounts.views import PromptAuditFilter, PromptAuditPage
from app.services.services import Services


@dataclass(frozen=True, slots=True)
class PromptAuditQuery:
    """Conditions on entries, by names; None: any. `developer`: who did it, or whose session was read. `since`, `until`: half-open."""

    project: str | None = None
    developer: str | None = None
    action: PromptAction | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_prompt_audit(
    services: Services, requester: Requester, query: PromptAuditQuery, *, before: int | None = None, limit: int
) -> PromptAuditPage:
    """List entries, the latest first: to admins and auditors their team's, to others what concerns them. See `PromptAudit.page`.

    NotFound for a developer that the team doesn't have. An unknown project has no entries.
    """
    requester.check("read")
    accounts, project_id, developer_id = services.accounts, None, None
    if query.project is not None:
        project_id = await accounts.project_named(requester.team_id, query.project, closed=requester.closed)
        if project_id is None:
            return PromptAuditPage((), None)
    if query.developer is not None:
        developer_id = (await accounts.find_developer(query.developer, team_id=requester.team_id)).id
    wanted = PromptAuditFilter(project_id, developer_id, query.action, query.since, query.until)
    return await accounts.prompts.page(requester, wanted, before=before, limit=limit)
