"""The section of policies: the file of rules over sessions."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from app.settings.sections import Section
from app.settings.shipped import ROOT


class PoliciesSettings(Section):
    file: Path = Field(ROOT / "config" / "policies.yaml", description="file with the policies that every project has")
