"""Kinds of records in Codex' rollouts that say nothing: known, and left out."""

from __future__ import annotations

UNUSED_RECORDS = frozenset(
    {"session_meta", "turn_context", "world_state", "compacted", "inter_agent_communication_metadata", "ghost_snapshot"}
)
UNUSED_EVENTS = frozenset(
    (
        "token_count",
        "task_started",
        "task_complete",
        "turn_started",
        "turn_complete",
        "turn_aborted",
        "context_compacted",
        "thread_name_updated",
        "thread_settings_applied",
        "thread_goal_updated",
        "thread_rolled_back",
        "agent_reasoning_raw_content",
        "agent_reasoning_section_break",
        "entered_review_mode",
        "exited_review_mode",
        "guardian_assessment",
        "image_generation_end",
        "view_image_tool_call",
        "dynamic_tool_call_request",
        "dynamic_tool_call_response",
        "sub_agent_activity",
        "collab_agent_spawn_end",
        "collab_agent_interaction_end",
        "collab_waiting_end",
        "collab_close_end",
        "collab_resume_end",
        "undo_completed",
        "error",
        "warning",
        "stream_error",
        "plan_update",
    )
)
UNUSED_ITEMS = frozenset(
    (
        "web_search_call",
        "tool_search_call",
        "tool_search_output",
        "image_generation_call",
        "ghost_snapshot",
        "compaction",
        "compaction_summary",
        "context_compaction",
        "compaction_trigger",
    )
)
UNUSED_COMPLETED = frozenset(
    {
        "imageview",
        "imagegeneration",
        "contextcompaction",
        "hookprompt",
        "enteredreviewmode",
        "exitedreviewmode",
        "collabagenttoolcall",
        "todolist",
    }
)
