"""What is wrong with a field is said in plain words, with the bound as a person writes it and its unit."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from app.api.channels import Name
from app.api.schema import AccountName, Plain
from app.web.field_problems import problem_of, sentence_of


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(1, ge=1, le=1000)
    below: float = Field(0.5, gt=0, lt=1)
    name: str = Field("ab", min_length=2, max_length=5)
    tags: list[str] = Field(["a"], min_length=1, max_length=2)
    mode: Literal["fast", "safe"] = "safe"
    flag: bool = True
    options: dict[str, int] = {}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"limit": 1001}, "must be at most 1,000"),
        ({"limit": 0}, "must be at least 1"),
        ({"limit": "many"}, "must be a whole number"),
        ({"limit": 1.5}, "must be a whole number"),
        ({"limit": None}, "must be a whole number"),
        ({"below": 1}, "must be below 1"),
        ({"below": 0}, "must be above 0"),
        ({"below": "x"}, "must be a number"),
        ({"below": []}, "must be a number"),
        ({"name": "abcdef"}, "has too many characters: the maximum is 5"),
        ({"name": "a"}, "has too few characters: the minimum is 2"),
        ({"name": 1}, "must be a string"),
        ({"tags": ["a", "b", "c"]}, "has too many entries: the maximum is 2"),
        ({"tags": []}, "has too few entries: the minimum is 1"),
        ({"tags": "a"}, "must be a list"),
        ({"mode": "slow"}, "must be one of 'fast' or 'safe'"),
        ({"flag": "perhaps"}, "must be true or false"),
        ({"flag": []}, "must be true or false"),
        ({"options": 1}, "must be an object"),
        ({"other": 1}, "is not a field of this request: leave it out"),
    ],
)
def test_a_field_that_is_wrong_is_told_in_our_words(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Given.model_validate(sent)
    assert problem_of(raised.value.errors()[0]) == words


class Amounts(BaseModel):
    limit_usd: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0
    share: Annotated[float, Field(ge=0.25)] = 1
    max_tokens: Annotated[int, Field(ge=1, le=2**53)] = 1
    seconds: Annotated[int, Field(le=900)] = 1
    day: date = date(2026, 1, 1)
    at: datetime | None = None
    zoned: AwareDatetime | None = None
    id: UUID | None = None
    note: Plain = ""
    owner: AccountName = "ada"
    channel: Name = "work"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"limit_usd": 1e300}, "limit_usd must be at most 1,000,000 US dollars."),
        ({"limit_usd": -0.01}, "limit_usd must be at least 0 US dollars."),
        ({"limit_usd": float("nan")}, "limit_usd must be a finite number."),
        ({"limit_usd": "1,5"}, "limit_usd must be a number."),
        ({"share": 0.1}, "share must be at least 0.25."),
        ({"max_tokens": 0}, "max_tokens must be at least 1 tokens."),
        ({"max_tokens": 2**60}, "max_tokens must be at most 9,007,199,254,740,992 tokens."),
        ({"max_tokens": "9" * 5000}, "max_tokens has too many digits: write a smaller number."),
        ({"seconds": 901}, "seconds must be at most 900 seconds."),
        ({"day": "2026-02-30"}, "day must be a day of the calendar, such as 2026-11-28."),
        ({"day": "yesterday"}, "day must be a day of the calendar, such as 2026-11-28."),
        ({"day": "2026-11-28T12:00:00"}, "day must be a day of the calendar, such as 2026-11-28."),
        ({"day": []}, "day must be a day of the calendar, such as 2026-11-28."),
        ({"at": "noon"}, "at must be a moment, such as 2026-11-28T14:30:00Z."),
        ({"zoned": "2099-01-01"}, "zoned must have a time zone, as 2026-11-28T14:30:00Z has."),
        ({"id": "6f1d"}, "id must be a whole UUID, as lists and citations show it."),
        ({"note": "a\x00b"}, "note holds the character NUL, which can't be stored: leave it out."),
        ({"owner": ""}, "owner must be 1 to 100 letters"),
        ({"owner": "a/b"}, "owner must be 1 to 100 letters"),
        ({"owner": "AKIAIOSFODNN7EXAMPLQ"}, "owner looks like a secret"),
        ({"channel": "a b"}, "channel may hold only these characters: A-Za-z0-9._@:-."),
    ],
    ids=str,
)
def test_each_class_of_wrong_value_is_told_in_a_sentence(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Amounts.model_validate(sent)
    (name,) = sent
    assert sentence_of(name, raised.value.errors()[0]).startswith(words)


def test_a_problem_that_has_no_words_of_ours_keeps_those_it_came_with() -> None:
    assert sentence_of("x", {"type": "value_error", "msg": "Value error, three are needed", "loc": ("x",)}) == "x: three are needed."
