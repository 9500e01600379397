"""What `cairn ask` says of who wrote an answer."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.cli.ask import print_author, show
from app.cli.client import ServerClient as Client

NOBODY = cast("Client", None)
"""No server is asked where there is an answer."""
SOURCE = {"text": "said so", "transcript": "t.md", "locator": "L1", "at": "2026-03-01T00:00:00Z"}


def found(**answer: Any) -> dict[str, Any]:
    whole = {"text": "The port is [bold]8443[/bold]. [1]", "citations": [SOURCE], "abstained": False, **answer}
    return {"answer": whole, "results": [1], "took_ms": 3.0, "degraded": []}


async def test_a_written_answer_names_its_model_and_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    await show(NOBODY, found(by="model", model="one-model", cost_usd=0.00012), None)
    said = capsys.readouterr().out
    assert "The port is [bold]8443[/bold]. [1]" in said
    assert "[1] t.md L1, 2026-03-01" in said
    assert "Written by one-model" in said
    assert "$0.000120" in said


async def test_a_quoted_answer_names_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    await show(NOBODY, found(by="extract"), None)
    said = capsys.readouterr().out
    assert "said so [1]" in said
    assert "Written by" not in said


@pytest.mark.parametrize(("by", "abstained", "words"), [("extract", False, "could not be used"), ("model", True, "found no answer")])
def test_what_was_asked_in_vain_is_told_with_its_cost(by: str, abstained: bool, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_author({"by": by, "abstained": abstained, "model": "one-model", "cost_usd": 0.5})
    said = capsys.readouterr().out
    assert words in said
    assert "$0.500000" in said
