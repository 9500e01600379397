"""Sessions → passages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.knowledge.passages.blocks import MAX_CHARS, MAX_REPEATS, pieces
from app.knowledge.passages.cut import MAX_PASSAGES_AN_EVENT, CutState, PassageCutter
from app.sessions.event import Event, Kind, Outcome, ToolUse


def said(text: str, kind: Kind = "reply", *, number: int = 1, sidechain: bool = False) -> Event:
    return Event(str(number), "user" if kind == "prompt" else "assistant", kind, text, f"L{number}", sidechain=sidechain)


def called(name: str, given: str, output: str, *, outcome: Outcome = "ok", code: int | None = None) -> Event:
    return Event("t", "tool", "tool", "", "L9", tool=ToolUse(name, given, output, code), outcome=outcome)


def texts(*events: Event) -> list[str]:
    return [each.text for each in PassageCutter("s").cut(enumerate(events, 1))]


def test_a_passage_knows_its_exchange_its_heading_and_the_prompt_it_answers() -> None:
    first, second, answer = PassageCutter("s").cut(
        enumerate(
            [said("Where is the cache kept?", "prompt"), said("## Cache\nIt is kept in Redis."), said("And the queue is in PostgreSQL.")], 1
        )
    )
    assert (first.exchange, first.ordinal, first.role, first.prompt) == (1, 0, "user", "")
    assert (second.heading, second.text, second.prompt) == ("Cache", "It is kept in Redis.", "Where is the cache kept?")
    assert second.indexed == "Cache\nIt is kept in Redis."
    assert (answer.seq, answer.ordinal, answer.locator) == (3, 2, "L1")


def test_a_session_cut_in_two_runs_gives_the_same_passages_as_in_one() -> None:
    events = list(
        enumerate(
            [said("Why twice?", "prompt"), called("Edit", "app/jobs.py\n- a", "ok"), said("Because it ran twice."), said("Fixed it now.")],
            1,
        )
    )
    whole = PassageCutter("s").cut(events)
    for middle in range(len(events) + 1):
        before = PassageCutter("s")
        first = before.cut(events[:middle])
        stored = json.loads(json.dumps(before.state.as_json()))
        assert first + PassageCutter("s", CutState.from_json(stored)).cut(events[middle:]) == whole
    assert whole[1].files == ("app/jobs.py",)


@pytest.mark.parametrize("kind", ["thinking", "notice"])
def test_thinking_and_notices_are_left_out(kind: Kind) -> None:
    assert texts(said("Something that nobody said to anybody.", kind)) == []


def test_what_cairn_served_is_left_out_however_it_comes_back() -> None:
    served = "The retry limit of the mailer is five, as decided in March."
    asked = called("mcp__cairn__query", "retries", served)
    assert texts(asked, said(f"> {served}"), said("So I set the limit of the importer to seven.")) == [
        "So I set the limit of the importer to seven."
    ]
    assert texts(said(f"<untrusted>{served}</untrusted>\nI disagree with all of that.")) == ["I disagree with all of that."]


def test_of_a_command_the_telling_lines_are_kept() -> None:
    noise = "\n".join(f"compiling unit {number}" for number in range(200))
    (text,) = texts(called("Bash", "make image", f"{noise}\nERROR: no space left on device", outcome="failed", code=2))
    assert text == "$ make image\nERROR: no space left on device\nexit code 2"


@pytest.mark.parametrize(("name", "given"), [("Bash", "ls -la"), ("Bash", "git status"), ("Read", "app/main.py"), ("Grep", "error")])
def test_tools_that_only_look_leave_no_passage(name: str, given: str) -> None:
    assert texts(called(name, given, "an error message in some file\n" * 3)) == []


def test_what_a_sub_agent_reports_was_said() -> None:
    (passage,) = PassageCutter("s").feed(1, called("Task", "look around", "The pool is closed before the worker ends."))
    assert (passage.kind, passage.role, passage.sidechain, passage.exchange) == ("said", "assistant", True, 0)


def test_a_prompt_to_a_sub_agent_opens_no_exchange() -> None:
    made = PassageCutter("s").cut(
        enumerate([said("Find out why it hangs.", "prompt"), said("Search for locks.", "prompt", sidechain=True)], 1)
    )
    assert [each.exchange for each in made] == [1, 1]


def test_a_fence_that_fits_stays_whole() -> None:
    fence = "```python\ndef f():\n\n    # a comment, not a heading\n    return 1\n```"
    found = [each.text for each in pieces("x" * 20 + " words\n\n" + "word " * 170 + "\n\n" + fence)]
    assert any(fence in each for each in found)


@pytest.mark.parametrize(
    "text",
    ["QUJDREVGRw==" * 300, "function(a){return a}" * 200, "x" * 10_000_000],
    ids=["base64", "minified", "one run of 10 MB"],
)
def test_what_nobody_wrote_is_left_out(text: str) -> None:
    assert [each.text for each in pieces(f"Before it.\n{text}\nAnd after it.")] == ["Before it.\nAnd after it."] or len(text) > 200_000


def test_identical_lines_are_kept_a_few_times_only() -> None:
    (only,) = pieces("waiting for it\n" * 10_000)
    assert only.text.count("waiting") == MAX_REPEATS


def test_a_huge_event_is_bounded() -> None:
    text = "\n\n".join(f"Line {number} says that shard {number} was moved." for number in range(250_000))
    assert 0 < len(texts(said(text))) <= MAX_PASSAGES_AN_EVENT


def test_chinese_is_cut_by_sentences() -> None:
    found = [each.text for each in pieces("缓存的过期时间是十分钟，因为上游每小时更新六次。" * 80 + "最后一句。")]
    assert len(found) > 1
    assert all(each.endswith("。") for each in found)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(codec=None), max_size=4000))
def test_any_text_is_cut_into_bounded_pieces_that_can_be_stored(text: str) -> None:
    for each in pieces(text):
        each.text.encode("utf-8")
        assert len(each.text) <= MAX_CHARS
        assert "\x00" not in each.text


def test_exact_repeats_have_one_key_white_space_aside() -> None:
    first, second, other = PassageCutter("s").cut(
        enumerate([said("The port is 8080 here."), said("The port  is 8080 here.\n"), said("The port is 8081 here.")])
    )
    assert first.key == second.key != other.key
