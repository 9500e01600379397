"""Pages of models, as Anthropic's clients turn them."""

from __future__ import annotations

import pytest

from app.api.anthropic_models import ModelPaging, page_of
from app.errors import InvalidInput

NAMES = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("paging", "page", "more"),
    [
        (ModelPaging(), "abcd", False),
        (ModelPaging(limit=2), "ab", True),
        (ModelPaging(limit=2, after_id="b"), "cd", False),
        (ModelPaging(limit=1, after_id="b"), "c", True),
        (ModelPaging(after_id="d"), "", False),
        (ModelPaging(before_id="c"), "ab", False),
        (ModelPaging(limit=1, before_id="c"), "b", True),
        (ModelPaging(after_id="a", before_id="d"), "bc", False),
    ],
)
def test_a_page_begins_and_ends_where_it_was_asked_to(paging: ModelPaging, page: str, more: bool) -> None:
    found = page_of(NAMES, paging)
    assert [model.id for model in found.data] == [*page]
    assert (found.has_more, found.first_id, found.last_id) == (more, page[:1] or None, page[-1:] or None)


@pytest.mark.parametrize("paging", [ModelPaging(after_id="x"), ModelPaging(before_id="x")])
def test_a_place_that_is_none_is_refused(paging: ModelPaging) -> None:
    with pytest.raises(InvalidInput, match="there is no model 'x' here"):
        page_of(NAMES, paging)
