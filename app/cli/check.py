"""The verdict of `cairn doctor` on one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on one part, with its detail."""

    name: str
    verdict: Verdict
    detail: str
