"""Names of channels: what is accepted can stand in an address."""

from __future__ import annotations

import pytest

from app.errors import InvalidInput
from app.queue.messages.message import check_channel


@pytest.mark.parametrize("name", ["reviews", "a", "x" * 100, ".hidden", "a..b", "v1.2_c-d"])
def test_an_ordinary_channel_is_accepted(name: str) -> None:
    check_channel(name)


@pytest.mark.parametrize("name", ["", "x" * 101, "Reviews", "a/b", "a b", ".", "..", "...."])
def test_a_channel_that_no_address_can_hold_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="channel must be"):
        check_channel(name)
