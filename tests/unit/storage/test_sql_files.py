"""SQL functions stand beside the code that calls them; migrations load frozen copies, so that history doesn't change with them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VERSIONS, FROZEN = ROOT / "migrations" / "versions", ROOT / "migrations" / "sql"
CREATES = re.compile(r"create\s+(or\s+replace\s+)?(function|procedure|trigger)", re.IGNORECASE)
FUNCTIONS = sorted(path for path in (ROOT / "app").glob("*/sql/*.sql") if CREATES.search(path.read_text()))


def without_comments(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.splitlines() if not line.lstrip().startswith("--")).strip()


def newest(name: str) -> Path:
    """The copy of a function that the latest migration of it loads."""
    copies = sorted(FROZEN.glob(f"*/{name}"))
    assert copies, f"No migration loads {name}: copy it to migrations/sql/<revision>/ and load it there with frozen_sql."
    return copies[-1]


def test_there_are_functions_to_look_at() -> None:
    assert {path.stem for path in FUNCTIONS} >= {"budget_hold", "budget_settle"}


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_the_body_beside_the_code_is_the_one_that_the_newest_migration_loads(path: Path) -> None:
    assert without_comments(path.read_text()) == without_comments(newest(path.name).read_text()), (
        f"{path.relative_to(ROOT)} was changed: write a migration that loads a copy of it, {FROZEN.name}/<its revision>/{path.name}."
    )


@pytest.mark.parametrize("path", sorted(VERSIONS.glob("*.py")), ids=lambda path: path.stem)
def test_a_migration_holds_no_function_and_loads_none_that_may_change(path: Path) -> None:
    source = path.read_text()
    assert not CREATES.search(source), f"{path.name}: put the body into a room's sql/ folder and a copy into migrations/sql/"
    assert "statements.load" not in source, f"{path.name}: load a frozen copy (frozen_sql): a room's file changes, history must not"


@pytest.mark.parametrize("path", sorted(FROZEN.glob("*/*.sql")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_frozen_copy_belongs_to_a_revision_that_loads_it(path: Path) -> None:
    (migration,) = VERSIONS.glob(f"{path.parent.name}_*.py")
    assert f'frozen_sql(revision, "{path.stem}")' in migration.read_text()
    assert any(each.name == path.name for each in FUNCTIONS), f"No room has {path.name} any more: drop the function by a migration."
