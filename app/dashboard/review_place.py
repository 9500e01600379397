"""The place in a review that a page or a form was opened from, to which what is done there leads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse

from app.dashboard.filtering import MAX_FILTER_CHARS, AddressFilters, address
from app.dashboard.visitor import PATH, Visitor
from app.knowledge.item import REVIEW_LISTS, ReviewList

REVIEW: Final = f"{PATH}/knowledge/review"


@dataclass(frozen=True, slots=True)
class ReviewPlace(AddressFilters):
    """A list of a review, of a project, at the page that begins at `cursor`. `at`: the item's number on it, which the next one gets.

    All are empty where nobody came from a review.
    """

    list: str
    project: str
    cursor: str = ""
    at: str = ""

    @classmethod
    def of_form(cls, form: FormData) -> ReviewPlace:
        """Read what the hidden fields of a form hold."""
        given = {name: form.get(name) for name in ("list", "project", "cursor", "at")}
        return cls(**{name: value[:MAX_FILTER_CHARS] if isinstance(value, str) else "" for name, value in given.items()})

    @property
    def name(self) -> ReviewList:
        """Return the list; the first one for what is none."""
        return next((each for each in REVIEW_LISTS if each == self.list), REVIEW_LISTS[0])

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the hidden fields of a form that leads back."""
        return {name: value for name, value in asdict(self).items() if value or name in {"list", "project"}}

    def address(self, who: Visitor) -> str:
        """Make the URL of the page, at the item's number: what was done with the item took it out, so that the next one stands there."""
        page = address(who, REVIEW, list=self.name, project=self.project, cursor=self.cursor)
        return f"{page}#n{self.at}" if self.at.isascii() and self.at.isdecimal() else page

    def back(self, who: Visitor) -> RedirectResponse:
        return RedirectResponse(self.address(who), status_code=303)
