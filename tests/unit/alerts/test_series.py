"""docs/rollups.md names every series, with its labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.alerts.series import SERIES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rollups.md").read_text()


@pytest.mark.parametrize("name", SERIES)
def test_the_page_names_the_series_and_its_labels(name: str) -> None:
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")), "")
    assert f"| {SERIES[name].kind} |" in row, f"docs/rollups.md lacks {name}"
    assert not [label for label in SERIES[name].labels if f"`{label}`" not in row]
