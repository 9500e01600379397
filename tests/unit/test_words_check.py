"""The check of words finds what it is for, and nothing in words that are well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.words_check import modules, problems


def checked(tmp_path: Path, **files: str) -> list[str]:
    folder = tmp_path / "app"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return problems(modules(folder))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('def f():\n    """What a receipt is."""\n', "the docstring of f opens with"),
        ('class A:\n    """Of a session."""\n', "the docstring of A opens with"),
        ('class A:\n    async def f(self):\n        """Whether, perhaps."""\n', 'opens with "Whether,"'),
        ('"""How it goes."""\n', "the docstring of the module opens with"),
        ('SECONDS = 3\n"""How long it waits."""\n', "the docstring of SECONDS opens with"),
        ('class A:\n    left: int = 0\n    """What is left."""\n', "the docstring of left opens with"),
        ("MOST_ITEMS = 3\n", "MOST_ITEMS: call a bound MAX_ or MIN_"),
        ("_LEAST_ITEMS: int = 3\n", "_LEAST_ITEMS: call a bound"),
    ],
)
def test_each_rule_is_seen(tmp_path: Path, text: str, says: str) -> None:
    (found,) = checked(tmp_path, one=text)
    assert says in found
    assert "app/one.py:" in found


def test_a_class_name_stands_once_unless_it_is_private(tmp_path: Path) -> None:
    (found,) = checked(
        tmp_path, one="class Call:\n    pass\nclass _State:\n    pass\n", two="class Call:\n    pass\nclass _State:\n    pass\n"
    )
    assert found == "class Call is defined in app/one.py:1, app/two.py:1: give each its own name"


def test_what_is_well_is_left_alone(tmp_path: Path) -> None:
    assert not checked(
        tmp_path,
        one='"""Settles holds."""\nMAX_ITEMS = 3\nclass Hold:\n    """A hold."""\n    def end(self):\n        """Settle it once."""\n',
    )
