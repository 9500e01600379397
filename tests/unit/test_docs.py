"""The pages of docs/ say what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
CURRENT = [page for page in PAGES if "decisions" not in page.parts and page.name != "CHANGELOG.md"]
"""The pages that speak of today's code: a decision and the changelog name files of their time."""
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the forges make them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(page.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for folder in ("how-to", "reference", "explanation"):
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert f"({folder}/{page.name})" in index, page


def test_the_tour_names_every_room() -> None:
    rooms = (ROOT / "docs/explanation/tour.md").read_text().split("| room | what it owns |")[1].split("\n\n")[0]
    modules = [each for each in (ROOT / "app").iterdir() if not each.name.startswith("__") and each.name != "py.typed"]
    missing = [
        each.name for each in modules if not {f"`{each.name}`", f"`{each.name}/`", f"`{each.stem}`"} & set(re.findall(r"`[^`]+`", rooms))
    ]
    assert missing == []


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:app|tests|config|docs|migrations)/[\w./-]+)`", page.read_text())
    assert [each for each in named if "ROOM" not in each and not (ROOT / each).exists()] == []


def test_the_tables_of_settings_and_routes_are_written_anew_after_a_change() -> None:
    """Else run python docs/reference/generate.py."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/reference/generate.py"), "--check"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
