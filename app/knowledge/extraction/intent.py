"""Classifies a prompt's intent by its words. The first match wins; None where no rule matches."""

from __future__ import annotations

import re

from app.trajectory.intent import Intent

HEAD_CHARS = 600
_WORDS: tuple[tuple[Intent, str], ...] = (
    ("debugging", r"\b(?:error|exception|traceback|bug|fix|crash\w*|fail\w*|broken|doesn't work|not working|why (?:is|does|do|are) .{0,60}(?:not|fail|wrong)|issue|panic|hang\w*|regression|debug)\b|报错|错误|修复|问题|失败"),
    ("testing", r"\b(?:write|add|run|fix|update|create|improve)\b.{0,40}\btests?\b|\b(?:unit|integration|e2e) tests?\b|\btest (?:coverage|plan|case)|测试"),
    ("refactoring", r"\b(?:refactor\w*|rename|clean ?up|dedup\w*|extract (?:a |the )?(?:function|method|class)|simplif\w+|restructure|split (?:up )?the|move .{0,40} (?:to|into))\b|重构|重命名"),
    ("optimization", r"\b(?:optimi[sz]\w*|speed ?up|faster|slow|performance|memory (?:use|usage|leak)|latency|reduce (?:cost|size|time))\b|优化|性能"),
    ("documentation", r"\b(?:readme|document(?:ation|ed)?|docs?|docstring|changelog|comments?|diagram|write ?up|report)\b|文档|注释"),
    ("feature-dev", r"\b(?:add|implement|create|build|make|support|introduce|integrate|set ?up|configure|enable|write|change|update|use|remove|install|plan)\b|编写|实现|添加|增加|创建"),
    ("exploration", r"\b(?:where|which|what(?:'s| is| are| does)|list|show|find|how (?:does|do|is|are)|explore|look at|understand|compare|options?)\b|看看|哪里|分析"),
    ("learning", r"\b(?:explain|what is|why|how (?:can|should|to)|difference between|best practice|recommend\w*|teach)\b|什么是|为什么|如何|怎么"),
)  # fmt: skip
_RULES = tuple((intent, re.compile(pattern, re.IGNORECASE)) for intent, pattern in _WORDS)


def intent_of(prompt: str) -> Intent | None:
    head = prompt[:HEAD_CHARS]
    return next((intent for intent, pattern in _RULES if pattern.search(head)), None)
