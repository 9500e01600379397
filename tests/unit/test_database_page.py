"""docs/database/README.md names every table, column and index of the metadata: it can't lag unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import UniqueConstraint

from app.storage.tables import Base

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "database" / "README.md").read_text()
TABLES = sorted(Base.metadata.tables)


@pytest.mark.parametrize("name", TABLES)
def test_the_page_names_the_table_and_its_columns(name: str) -> None:
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")), "")
    missing = [column.name for column in Base.metadata.tables[name].columns if f"`{column.name}`" not in row]
    assert not missing, f"docs/database/README.md lacks of {name}: {missing}"


@pytest.mark.parametrize("name", TABLES)
def test_the_page_names_every_index_of_the_table(name: str) -> None:
    table = Base.metadata.tables[name]
    named = [index.name for index in table.indexes]
    named += [each.name for each in table.constraints if isinstance(each, UniqueConstraint)]
    named.append(table.primary_key.name)
    missing = [str(index) for index in named if f"`{index}`" not in PAGE]
    assert not missing, f"docs/database/README.md lacks {missing}; add the query to docs/database/explain.py"
