"""Writes spending and calls as CSV with exact amounts, the same for a route and for a page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from app.budget.requests import CallView
from app.budget.views import SpendReport, SpendTotals
from app.money import usd_text
from app.web import spreadsheet

CALL_NAMES = (
    "at", "request_id", "developer", "project", "purpose", "session", "model_asked", "provider", "model", "status", "cache", "milliseconds",
    "input_tokens", "output_tokens", "cost_usd", "changed_usd", "saved_usd",
)  # fmt: skip


def csv_of_spending(report: SpendReport) -> Response:
    """Write a breakdown as a file: a line a part, and one of all of them."""
    head = [report.query.by, "provider", "attempts", "spent_usd", "before_usd", "input_tokens", "output_tokens", "cached_input_tokens"]
    lines = [spreadsheet.line(head)]
    for part in report.parts:
        key = "(others)" if part.key is None else part.key
        lines.append(spreadsheet.line([key, part.provider, *_cells(part.totals, part.before)]))
    lines.append(spreadsheet.line(["(total)", "", *_cells(report.totals, report.before.nanousd)]))
    return spreadsheet.file("spend.csv", "".join(lines))


def csv_of_calls(request: Request, calls: AsyncGenerator[CallView]) -> StreamingResponse:
    """Write calls as a file."""
    return spreadsheet.stream(request, "calls.csv", CALL_NAMES, calls, _call_cells)


def _call_cells(call: CallView) -> Sequence[object]:
    spent = call.spending
    amounts = (usd_text(each) for each in (call.nanousd, call.changed_nanousd, spent.saved_nanousd))
    origin = (spent.at.isoformat(), spent.request_id, call.developer, spent.project, spent.purpose, call.session, spent.model_asked)
    answer = (spent.provider, spent.model_answered, spent.status, spent.cache, spent.milliseconds, call.input_tokens, call.output_tokens)
    return [*origin, *answer, *amounts]


def _cells(totals: SpendTotals, before: int) -> list[object]:
    tokens = (totals.input_tokens, totals.output_tokens, totals.cached_input_tokens)
    return [totals.attempts, usd_text(totals.nanousd), usd_text(before), *tokens]
