"""An item's standing in replies: its freshness, people's verdicts, the sessions that used it, and who stands by it."""

from __future__ import annotations

from pydantic import Field

from app.api.schema import ResponseBody

STANDING = (
    "`portable`: another of the team's projects holds an item that says the same. `team_practice`: two people or more stand by it: who"
    " recorded it, whose sessions taught it, who finds it helpful. Each ranks it 2 % higher, unless somebody finds it wrong or stale."
)
FRESHNESS = (
    "`stale`: more people say so than find it helpful. Else, where it was checked against the code that it speaks of: `changed` since,"
    " `gone`, or `unverifiable`. Else `fresh`. Not by age, which `age_days` tells."
)
AGE = "Days since it was last learnt, recorded or corrected."


class FeedbackCounts(ResponseBody):
    """Number of people by verdict; only a person's latest verdict counts."""

    helpful: int
    wrong: int
    stale: int


class UseReply(ResponseBody):
    """Number of sessions that were served it and did what it says. They weigh little in its rank, and never hide it."""

    accepted: int = Field(description="The person continued with it.")
    refused: int = Field(description="The person took it back.")
