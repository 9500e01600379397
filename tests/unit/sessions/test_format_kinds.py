"""What agents' transcripts do beyond who said what: queues, forks, sub-agents, code mode, titles, identities, images, unknown records."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from app.sessions.event import Event, Format, SessionHeader
from app.sessions.formats import HEAD_BYTES, ParseTally, detect, parse
from app.settings import SessionsSettings


def read(body: str, format: Format | None = None) -> tuple[list[SessionHeader], list[Event], ParseTally]:
    data, tally = body.encode(), ParseTally()
    made = list(parse(iter([data]), format=format or detect(data[:HEAD_BYTES]), limits=SessionsSettings(), tally=tally))
    return [each for each in made if isinstance(each, SessionHeader)], [each for each in made if isinstance(each, Event)], tally


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


def prompts(events: list[Event]) -> list[str]:
    return [event.text for event in events if event.kind == "prompt"]


def said(role: str, words: object, uuid: str, **more: object) -> dict[str, Any]:
    return {"type": role, "uuid": uuid, "sessionId": "s1", "message": {"role": role, "content": words}, **more}


def queue(operation: str, content: str | None = None, **more: object) -> dict[str, Any]:
    return {"type": "queue-operation", "operation": operation, "sessionId": "s1", **({"content": content} if content else {}), **more}


def attached(prompt: object, uuid: str, **more: object) -> dict[str, Any]:
    return {"type": "attachment", "uuid": uuid, "sessionId": "s1", "attachment": {"type": "queued_command", "prompt": prompt, **more}}


ASK, WORK, END = said("user", "Fix the login", "u1"), said("assistant", "Working.", "u2"), said("assistant", "Done.", "u9")
NOTE = "<task-notification>\n<task-id>a</task-id>\n</task-notification>"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([queue("enqueue", "use pnpm"), queue("remove"), attached("use pnpm", "a1", commandMode="prompt")], ["use pnpm"]),
        ([queue("enqueue", "use pnpm"), queue("remove")], ["use pnpm"]),  # older files have no attachment
        ([attached([{"type": "text", "text": "use pnpm"}], "a1")], ["use pnpm"]),
        ([queue("enqueue", "use pnpm"), queue("dequeue"), said("user", "use pnpm", "u3")], ["use pnpm"]),
        ([queue("enqueue", "use pnpm"), queue("popAll", "use pnpm"), said("user", "use bun", "u3")], ["use bun"]),
        ([queue("enqueue", "use pnpm"), queue("remove", reason="user_cancelled")], []),
        ([queue("enqueue", NOTE), queue("enqueue", "use pnpm"), queue("remove")], ["use pnpm"]),
        ([queue("enqueue", NOTE), queue("remove"), attached(NOTE, "a1", commandMode="prompt")], []),
        ([attached("deploy it", "a1", origin={"kind": "peer", "from": "agent-2"})], []),
        ([queue("enqueue", "a"), queue("enqueue", "b"), queue("remove"), queue("remove")], ["a", "b"]),
    ],
)
def test_what_was_written_while_the_agent_worked_is_a_prompt_once(records: list[dict[str, Any]], expected: list[str]) -> None:
    _, events, tally = read(lines(ASK, WORK, *records, END))
    assert prompts(events) == ["Fix the login", *expected]
    assert events[-1].text == "Done."
    assert not tally.unknown


def test_a_queued_prompt_keeps_its_id_as_the_file_grows() -> None:
    records = [ASK, WORK, queue("enqueue", "use pnpm"), queue("remove"), attached("use pnpm", "a1"), END]
    ids = [[event.id for event in read(lines(*records[:size]), "claude-code")[1]] for size in range(1, len(records) + 1)]
    assert all(later[: len(before)] == before for before, later in pairwise(ids))


@pytest.mark.parametrize(
    ("records", "title"),
    [
        ([ASK, {"type": "summary", "summary": "Login", "leafUuid": "u1"}], "Login"),
        ([ASK, {"type": "summary", "summary": "Payroll", "leafUuid": "x"}], "Fix the login"),
        ([ASK, {"type": "custom-title", "customTitle": "Payroll", "sessionId": "other"}], "Fix the login"),
        (
            [
                ASK,
                {"type": "custom-title", "customTitle": "Login", "sessionId": "s1"},
                {"type": "ai-title", "aiTitle": "A", "sessionId": "s1"},
            ],
            "Login",
        ),
        (
            [{**ASK, "sessionId": "s0"}, {"type": "custom-title", "customTitle": "Old", "sessionId": "s0"}, said("user", "Now this", "u5")],
            "Now this",
        ),
    ],
)
def test_a_title_is_its_own_sessions(records: list[dict[str, Any]], title: str) -> None:
    headers, _, _ = read(lines(*records), "claude-code")
    assert headers[-1].title == title


def codex(seconds: float, kind: str, **payload: object) -> dict[str, Any]:
    return {"timestamp": f"2026-05-01T10:{int(seconds) // 60:02}:{seconds % 60:06.3f}Z", "type": kind, "payload": payload}


def words(seconds: float, role: str, text: str) -> dict[str, Any]:
    return codex(seconds, "event_msg", type="user_message" if role == "user" else "agent_message", message=text)


PARENT = [words(60.01, "user", "Never push to main."), words(60.02, "assistant", "Understood.")]


@pytest.mark.parametrize("shift", [0.0, -50.0])
def test_what_a_fork_repeats_is_left_out_whether_its_times_are_new_or_kept(shift: float) -> None:
    copied = [words(60.01 + shift, "user", "Never push to main."), words(60.02 + shift, "assistant", "Understood.")]
    own = [words(90, "user", "Which branch then?"), words(95, "assistant", "develop")]
    headers, events, tally = read(
        lines(codex(60, "session_meta", id="fork", forked_from_id="p"), codex(60, "session_meta", id="p"), *copied, *own)
    )
    assert {header.external_id for header in headers} == {"fork"}
    assert [event.text for event in events] == ["Which branch then?", "develop"]
    assert sum(tally.skipped.values()) == 2


def test_a_turns_own_id_tells_a_sub_agents_first_words_from_what_it_repeats() -> None:
    ours, old, new = (f"0196{each}-0000-7000-8000-00000000000{each[0]}" for each in ("5000", "4000", "6000"))
    meta = codex(60, "session_meta", id=ours, source={"subagent": {"thread_spawn": {"parent_thread_id": "p"}}})
    copied = [codex(60.01, "turn_context", turn_id=old, model="m"), *PARENT]
    own = [codex(60.03, "turn_context", turn_id=new), words(60.04, "user", "Always answer in French."), words(60.05, "assistant", "Oui.")]
    _, events, _ = read(lines(meta, codex(60, "session_meta", id="p"), *copied, *own))
    assert [(event.kind, event.text) for event in events] == [("notice", "Always answer in French."), ("reply", "Oui.")]


@pytest.mark.parametrize("more", [{"source": {"subagent": "review"}}, {"thread_source": "subagent"}, {"parent_thread_id": "p"}])
def test_what_an_agent_tells_a_sub_agent_is_no_prompt(more: dict[str, Any]) -> None:
    message = codex(62, "response_item", type="agent_message", author="/root", content=[{"type": "input_text", "text": "Always use tabs."}])
    _, events, _ = read(lines(codex(60, "session_meta", id="sub", **more), words(61, "user", "Never use spaces."), message))
    assert [event.kind for event in events] == ["notice", "notice"]


def test_a_second_header_of_the_same_session_or_after_its_own_words_repeats_nothing() -> None:
    records = [codex(0, "session_meta", id="a"), words(1, "user", "one"), codex(2, "session_meta", id="a"), words(2.1, "user", "two")]
    assert prompts(read(lines(*records, codex(3, "session_meta", id="b"), words(3.1, "user", "three")))[1]) == ["one", "two", "three"]


def script(seconds: float, call: str, code: str) -> list[dict[str, Any]]:
    return [codex(seconds, "response_item", type="custom_tool_call", call_id=call, name="exec", input=code)]


def item(seconds: float, kind: str, **more: object) -> dict[str, Any]:
    return codex(seconds, "event_msg", type="item_completed", item={"type": kind, **more})


def test_code_modes_commands_are_told_by_what_completed() -> None:
    output = codex(9, "response_item", type="custom_tool_call_output", call_id="c1", output="Script completed")
    done = [
        item(
            2, "CommandExecution", id="x1", command=["bash", "-lc", "npm test"], status="failed", exit_code=1, aggregated_output="1 failed"
        ),
        item(3, "FileChange", id="x2", status="completed", changes={"web/a.ts": {"type": "update", "unified_diff": "-a\n+b"}}),
        item(
            4,
            "McpToolCall",
            id="x3",
            server="docs",
            tool="find",
            arguments={"q": "login"},
            result={"content": [{"type": "text", "text": "p. 4"}]},
        ),
        item(5, "CommandExecution", id="x4", command=["sh", "-c", "rm -r /"], status="declined"),
    ]
    _, events, tally = read(lines(codex(0, "session_meta", id="a"), *script(1, "c1", "await tools.x()"), *done, output))
    tools = [(event.tool.name, event.tool.input, event.tool.output, event.outcome) for event in events if event.tool]
    assert tools == [
        ("exec_command", "npm test", "1 failed", "failed"),
        ("apply_patch", "update web/a.ts\n-a\n+b", "", "ok"),
        ("mcp__docs__find", "login", "p. 4", "ok"),
        ("exec_command", "rm -r /", "", "rejected"),
    ]
    assert events[1].files == ("web/a.ts",)
    assert not tally.unknown


def test_a_script_whose_calls_are_told_nowhere_else_is_told_by_its_commands() -> None:
    code = 'const r = await tools.exec_command({"cmd":"make lint","workdir":"/w"});'
    output = codex(2, "response_item", type="custom_tool_call_output", call_id="c1", output="Script failed\nboom")
    _, (event,), _ = read(lines(codex(0, "session_meta", id="a"), *script(1, "c1", code), output))
    assert event.tool is not None
    assert (event.tool.input, event.outcome) == ("make lint", "failed")


def test_a_plain_call_that_also_completes_as_an_item_is_one_call() -> None:
    call = codex(1, "response_item", type="function_call", call_id="k", name="shell", arguments='{"command": ["bash", "-lc", "ls"]}')
    result = codex(3, "response_item", type="function_call_output", call_id="k", output="exit code: 0\na.txt")
    ends = [
        codex(2, "event_msg", type="exec_command_end", call_id="k", command=["bash", "-lc", "ls"], exit_code=0),
        item(2, "CommandExecution", id="other", command=["bash", "-lc", "ls"], exit_code=0, status="completed"),
    ]
    for end in ends:
        _, events, _ = read(lines(codex(0, "session_meta", id="a"), call, end, result))
        assert [event.id for event in events] == ["k"]


def aider(second: str, *, startup: str = "Aider v0.86", asked: str = "Why?", answer: str = "Because.") -> str:
    return f"\n# aider chat started at {second}\n\n> {startup}  \n\n#### {asked}  \n\n{answer}\n\n> Tokens: 2k  \n"


def test_two_histories_that_began_in_the_same_second_are_two_sessions() -> None:
    second = "2026-03-04 09:00:00"
    names = {read(aider(second, asked=asked), "aider")[0][-1].external_id for asked in ("Why?", "Where?")}
    names |= {read(aider(second, startup=startup), "aider")[0][-1].external_id for startup in ("Aider v0.86", "Aider v0.87")}
    assert len(names) == 3


def test_an_aider_session_keeps_its_identity_as_it_grows_and_names_its_former_ones() -> None:
    whole = aider("2026-03-04 09:00:00") + "\n#### And why else?  \n\nNo idea.\n"
    (first, *_), (last, *_) = read(whole[: whole.index("Because")], "aider")[0], read(whole, "aider")[0]
    assert first.external_id == last.external_id
    (silent, *_), _, _ = read(whole[: whole.index("####")], "aider")
    assert last.formerly == (("aider", silent.external_id), ("aider", "2026-03-04 09:00:00"))
    assert last.opens_with is not None


@pytest.mark.parametrize("answer", ["#### Never deploy", "> a quotation", "#### 1. Rule\n\n> quoted\n\n#### 2. Rule"])
def test_headings_and_quotations_of_an_answer_are_the_answers(answer: str) -> None:
    _, events, _ = read(aider("2026-03-04 09:00:00", answer=answer), "aider")
    assert [event.kind for event in events] == ["tool", "prompt", "reply", "tool"]
    assert events[2].text == answer


EXPORT = """# {title}
_Exported on 3/9/2026 at 8:00:00 GMT+1 from Cursor (2.2.0)_

---

**User**

Compare these:

```md
---

**Cursor**

not a turn
```

---

**Cursor**

First part.

---

Second part.

---

**User**

Thanks, but never use tabs.
"""


def test_cursors_export_follows_rules_and_code() -> None:
    (header,), events, _ = read(EXPORT.format(title="Tabs"))
    assert [event.kind for event in events] == ["prompt", "reply", "prompt"]
    assert "not a turn" in events[0].text
    assert events[1].text == "First part.\n\n---\n\nSecond part."
    assert (header.title, header.provider) == ("Tabs", "cursor")
    again = read(EXPORT.format(title="Renamed").replace("3/9/2026", "4/9/2026"))[0][0]
    assert again.external_id == header.external_id


def cline(*messages: tuple[str, list[dict[str, Any]]]) -> str:
    return json.dumps(
        [{"role": role, "content": content, "ts": 1_770_000_000_000 + place} for place, (role, content) in enumerate(messages)]
    )


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_clines_older_calls_are_read_from_the_text_and_answers_within_results_are_prompts() -> None:
    details = "<environment_details>\n# Current Working Directory (/home/dev/mailer) Files\na.py\n</environment_details>"
    body = cline(
        ("user", [text("<task>\nFix the mailer\n</task>"), text(details)]),
        ("assistant", [text("<thinking>hm</thinking>Let me run it.\n<execute_command>\n<command>make test</command>\n</execute_command>")]),
        ("user", [text("[execute_command for 'make test'] Result:"), text("Command failed with exit code 2\nboom"), text(details)]),
        ("assistant", [text("<ask_followup_question>\n<question>Which relay?</question>\n</ask_followup_question>")]),
        ("user", [text("[ask_followup_question for 'Which relay?'] Result:"), text("<answer>\nthe staging one\n</answer>"), text(details)]),
        ("assistant", [text("<attempt_completion>\n<result>\nFixed.\n</result>\n</attempt_completion>")]),
    )
    headers, events, _ = read(body)
    assert (headers[-1].directory, headers[-1].title) == ("/home/dev/mailer", "Fix the mailer")
    assert prompts(events) == ["Fix the mailer", "the staging one"]
    assert [event.text for event in events if event.kind == "reply"] == ["Let me run it.", "Which relay?", "Fixed."]
    (tool,) = [event for event in events if event.tool]
    assert tool.tool is not None
    assert (tool.tool.input, tool.tool.exit_code, tool.outcome) == ("make test", 2, "failed")


def test_what_cline_itself_writes_into_a_users_turn_is_no_prompt() -> None:
    body = cline(
        ("user", [text("<task>\nFix it\n</task>")]),
        ("assistant", [text("Hm.")]),
        ("user", [text("[ERROR] You did not use a tool in your previous response! Please retry with a tool use.")]),
    )
    assert prompts(read(body)[1]) == ["Fix it"]


def test_a_cline_history_names_the_generic_session_that_it_was_before() -> None:
    body = cline(("user", [text("<task>\nFix it\n</task>")]), ("assistant", [text("Done.")]))
    (now, *_), events, _ = read(body)
    (before, *_), known, _ = read(body, "generic")
    assert now.formerly == (("generic", before.external_id),)
    assert [event.id for event in events] == [event.id for event in known]


PNG = "iVBORw0KGgo" + "A" * 4000


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "text", "text": f"see data:image/png;base64,{PNG} there"},
    ],
)
def test_an_image_is_told_by_kind_and_size_and_never_kept(block: dict[str, Any]) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    call = {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": "a.png"}}
    _, (event,), _ = read(lines(said("assistant", [call], "u2"), said("user", [result], "u3")), "claude-code")
    assert event.tool is not None
    assert "[image: image/png, 3 kB]" in event.tool.output
    assert "AAAA" not in event.tool.output


def test_how_an_image_is_described_changes_no_id() -> None:
    def ids(size: int) -> list[str]:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{'A' * size}"}
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look"}, image]}
        return [event.id for event in read(lines(codex(0, "session_meta", id="a"), codex(1, "response_item", **item)))[1]]

    assert ids(100) == ids(9000)


def test_a_prompt_with_an_image_is_one_prompt_though_only_one_record_shows_it() -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look"}, image]}
    _, events, _ = read(lines(codex(0, "session_meta", id="a"), words(1, "user", "Look"), codex(1, "response_item", **item)))
    assert prompts(events) == ["Look"]


@pytest.mark.parametrize(
    ("format", "record", "named"),
    [
        ("claude-code", {"type": "hologram", "sessionId": "s"}, "record: hologram"),
        ("claude-code", said("assistant", [{"type": "hologram_v2"}], "u"), "block: hologram_v2"),
        ("codex", codex(1, "event_msg", type="hologram_end"), "event: hologram_end"),
        ("codex", codex(1, "response_item", type="hologram"), "item: hologram"),
        ("codex", item(1, "Hologram"), "completed item: Hologram"),
        ("codex", codex(1, "hologram"), "record: hologram"),
    ],
)
def test_a_kind_that_nobody_knows_is_counted_and_named(format: Format, record: dict[str, Any], named: str) -> None:
    *_, tally = read(lines(record), format)
    assert tally.unknown == {named: 1} == tally.skipped


def test_kinds_that_are_known_and_not_read_are_not_unknown() -> None:
    known: list[dict[str, Any]] = [
        {"type": "progress"},
        {"type": "file-history-snapshot"},
        {"type": "attachment", "attachment": {"type": "todo_reminder"}},
    ]
    *_, tally = read(lines(*known, queue("enqueue", "x"), queue("dequeue")), "claude-code")
    assert not tally.unknown
    assert not read(lines(codex(0, "event_msg", type="token_count"), codex(0, "turn_context")), "codex")[2].unknown
