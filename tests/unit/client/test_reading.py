"""JSON becomes records by their annotations, and bad JSON an error that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cairn.client.errors import UnreadableReply
from cairn.client.reading import parse, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A record in a record."""

    at: datetime | None
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """A record of everything that records hold."""

    name: str
    count: int
    share: float
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_name: Mapping[str, int] | None = None


WHOLE = '{"name": "n", "count": 3, "share": 1, "inner": {"at": "2026-11-01T10:00:00", "amount": 0.1}, "new": {"deep": [1]}}'


def outer(**changed: Any) -> Any:
    return read(Outer, {**parse(WHOLE), **changed})


def test_amounts_are_exact_times_have_a_zone_and_unknown_fields_are_ignored() -> None:
    found = outer(many=[{"at": "2026-11-01T10:00:00+02:00"}, {}], by_name={"a": 1})
    assert found.inner == Inner(at=datetime(2026, 11, 1, 10, tzinfo=UTC), amount=Decimal("0.1"))
    assert found.many == (Inner(at=datetime(2026, 11, 1, 8, tzinfo=UTC)), Inner(at=None))
    assert (found.share, type(found.share), found.by_name) == (1.0, float, {"a": 1})


def test_null_for_what_has_a_default_is_the_default() -> None:
    assert outer(many=None, inner={"at": None, "amount": None}).inner.amount == 0


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"name": None}, "the reply.name"),
        ({"name": 3}, "the reply.name"),
        ({"count": True}, "the reply.count"),
        ({"count": Decimal("1.5")}, "the reply.count"),
        ({"count": Decimal("1e999999999")}, "the reply.count"),
        ({"share": "1"}, "the reply.share"),
        ({"inner": {"at": "yesterday"}}, "the reply.inner.at"),
        ({"many": {"a": 1}}, "the reply.many"),
        ({"many": [{}, {"amount": "much"}]}, r"the reply.many\[1\].amount"),
        ({"by_name": {"a": "b"}}, "the reply.by_name.a"),
    ],
)
def test_a_value_of_another_type_is_named_by_its_place(changed: dict[str, Any], place: str) -> None:
    with pytest.raises(UnreadableReply, match=place):
        outer(**changed)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", "9" * 5000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
