"""A hit of MCP's search keeps to its tokens, whatever its names and words are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import pytest

from app.knowledge.item import Quote
from app.knowledge.results import Result, SearchResults
from app.mcp.definitions import MAX_HIT_TOKENS
from app.mcp.rendering import WholeItem, render_hits, render_whole
from app.tokens import count_text

AT = datetime(2026, 9, 14, tzinfo=UTC)
DENSE = {
    "ids": "0f9c7e21-55aa-4d0e-9b1f-7be1c6a9d3e4 ",
    "emoji": "🧪👩‍🚀🏳️‍🌈",
    "Amharic": "የክፍያ አገልግሎት ገንዳ",
    "quotation marks": '"\\"\\',
    "capitals": "XQZJ",
}


@pytest.mark.parametrize("words", DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("project", ["shop", None])
def test_a_hit_of_long_names_keeps_to_its_tokens(words: str, project: str | None) -> None:
    long = words * 40
    source = Quote(uuid4(), long, long, long, AT)
    hit = Result(uuid4(), "item", "gotcha", long, long, 0.8, 1.0, "fresh", long, source, AT, 1)
    told = render_hits(SearchResults((hit,), 1.0, ()), project=project, max_tokens=2000)
    (entry,) = told.structured["results"]
    (line,) = (each for each in told.text.splitlines() if each.startswith("- ["))
    assert count_text(f"{line}\n {hit.id}") <= MAX_HIT_TOKENS
    assert count_text(f"{msgspec.json.encode(entry).decode()},") <= MAX_HIT_TOKENS


def test_a_short_hit_is_whole() -> None:
    source = Quote(uuid4(), "2026-09-14-pool.jsonl", "L120", "The pool needs keepalive 30.", AT)
    hit = Result(uuid4(), "item", "gotcha", "", "The pool needs keepalive 30.", 0.8, 1.0, "fresh", "shop", source, AT, 1)
    told = render_hits(SearchResults((hit,), 1.0, ()), project="shop", max_tokens=2000)
    assert "gotcha: The pool needs keepalive 30. (2026-09-14-pool.jsonl L120, 2026-09-14)" in told.text


@pytest.mark.parametrize("distilled", [True, False])
def test_an_item_that_a_model_worded_says_so(*, distilled: bool) -> None:
    source = Quote(uuid4(), "2026-09-14-pool.jsonl", "L120", "The pool needs keepalive 30.", AT)
    item = WholeItem(uuid4(), "gotcha", "Pool", "The pool needs keepalive 30.", "shop", "fresh", AT, [source], distilled=distilled)
    told = render_whole([item], [], max_tokens=2000)
    (entry,) = told.structured["items"]
    assert ("worded by a model" in told.text, entry.get("distilled", False)) == (distilled, distilled)
