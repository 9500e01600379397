"""The structure of `app/` keeps the limits that docs/explanation/structure.md names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "structure.md"


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("structure", PAGE.with_suffix(".py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its records are looked up there
    spec.loader.exec_module(module)
    return module


def rows(page: str) -> dict[str, str]:
    """Return the first table of the page: each figure with what is wanted."""
    lines = [line for line in page.partition("\n\n## ")[0].splitlines() if line.startswith("| ")]
    return {cells[0]: cells[2] for line in lines[2:] if (cells := [each.strip() for each in line.strip("|").split("|")])}


def test_no_limit_is_passed_but_the_medians(structure: ModuleType) -> None:
    """The median is a measure to watch: cutting a module in two for its sake alone would scatter what is read together."""
    figures, _ = structure.measure()
    assert {each.name: list(each.over) for each in figures if each.over} == {}
    (median,) = (each for each in figures if each.name == structure.MEDIAN)
    assert median.value <= structure.MAX_MEDIAN_LINES * 1.1


def test_the_page_names_the_same_figures_with_the_same_limits(structure: ModuleType) -> None:
    figures, _ = structure.measure()
    wanted = {each.name: "" if each.limit is None else f"≤ {each.limit}" if each.limit else "0" for each in figures}
    assert rows(PAGE.read_text()) == wanted
