"""Reads the audit of prompts: who switched whether a project shows them, and who read whose. One call for a route and a page alike."""

from __future__ import annotations

from dataclasses import dataclass

from app.accounts.requester import PromptAction, Requester
from app.accounts.views import PromptAuditEntry, PromptAuditFilter
from app.services.services import Services
from app.storage.pages import EntryPage, PageWanted


@dataclass(frozen=True, slots=True)
class PromptAuditQuery:
    """Conditions on entries, by names; None: any. `developer`: who did it, or whose session was read."""

    project: str | None = None
    developer: str | None = None
    action: PromptAction | None = None


async def list_prompt_audit(
    services: Services, requester: Requester, wanted: PageWanted, query: PromptAuditQuery
) -> EntryPage[PromptAuditEntry]:
    """List a page of the entries: to admins and auditors their team's, to others what concerns them. See `PromptAudit.list_page`.

    NotFound for a developer that the team doesn't have. An unknown project has no entries.
    """
    requester.check("read")
    accounts, project_id, developer_id = services.accounts, None, None
    if query.project is not None:
        project_id = await accounts.project_named(requester.team_id, query.project, closed=requester.closed)
        if project_id is None:
            return EntryPage((), None)
    if query.developer is not None:
        developer_id = (await accounts.find_developer(query.developer, team_id=requester.team_id)).id
    return await accounts.prompts.list_page(requester, wanted, PromptAuditFilter(project_id, developer_id, query.action))
