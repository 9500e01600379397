"""The parameters `since` and `until` of lists and queries: dates and times that mean one thing, and a period that isn't empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from app import clock
from app.clock import in_utc
from app.errors import InvalidInput

FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
"""The most that a client's clock may be ahead of the server's."""
WRITE: Final = "send a date or time of the Gregorian calendar in ISO 8601, such as 2026-09-14 or 2026-09-14T09:30:00+02:00"
_UNESCAPED_PLUS: Final = re.compile(r"(T[0-9:.]+) (?=[0-9]{2}:?[0-9]{2}$)")
"""The zone of a time in an address whose plus wasn't escaped: it arrives as a space."""
_MOMENT: Final = TypeAdapter(datetime)


def _moment(value: object) -> object:
    """Read a date or a time, without a zone in UTC. Numbers are refused: nobody knows whether they are seconds or milliseconds."""
    if value is None or isinstance(value, datetime):
        return value
    text = _UNESCAPED_PLUS.sub(r"\1+", value.strip()) if isinstance(value, str) else ""
    if not text or text.lstrip("+-").replace(".", "", 1).isdigit():
        raise PydanticCustomError("moment", "is no date: " + WRITE)
    try:
        found: Any = _MOMENT.validate_python(text)
    except ValidationError:
        raise PydanticCustomError("moment", "is no date: " + WRITE) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]


def check_period(since: datetime | None, until: datetime | None) -> None:
    """Raise InvalidInput for a period that nothing can lie in: before 1970, wholly in the future, or reversed."""
    begin, end = (None if each is None else in_utc(each, name) for each, name in ((since, "since"), (until, "until")))
    for name, moment in (("since", begin), ("until", end)):
        if moment is not None and moment < FIRST:
            raise InvalidInput(f"{name} lies before 1970: {WRITE}.", param=name)
    if begin is not None and begin > clock.now() + AHEAD:
        raise InvalidInput(f"since lies in the future: {WRITE}, or leave it out.", param="since")
    if begin is not None and end is not None and begin > end:
        raise InvalidInput("since lies after `until`: swap them, or leave one out.", param="since")
