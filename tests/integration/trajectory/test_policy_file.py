"""The installation's file of policies: read when a process starts, which it ends with the place where it can't be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.trajectory.policies.policy_file import SHIPPED, load_policies


def test_the_shipped_file_can_be_used() -> None:
    assert all(each.words and each.enabled for each in load_policies(SHIPPED))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"policies:\n  - id: x\n    words: W.\n    formula: comits\n", "line 4, column 14"),
        (b"policies: \xff", "UTF-8"),
        (b"rules: []", "policies"),
    ],
)
def test_a_file_that_cant_be_used_names_itself_and_the_place(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        load_policies(file)
    assert str(file) in refused.value.message
    assert said in refused.value.message


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_policies(tmp_path / "none.yaml")
    assert "CAIRN_POLICIES__FILE" in refused.value.message
