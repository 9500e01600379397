"""What a person laid down: how things are done here, what never to do; and what they put right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import Found
from app.knowledge.extraction.exchanges import Exchange, ending
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_noise, names_something
from app.knowledge.extraction.prose import statements
from app.knowledge.item import KnowledgeType

MOST = 3
MOST_PROMPT_CHARS = 3_000
"""A longer prompt is pasted: a plan, a log, a rule file; not said."""
_POLICY = re.compile(
    r"\b(?:we (?:always|never|only|use|prefer|don't use|do not use|decided|agreed|chose|run|deploy|keep|store)|always (?:use|run|add|put|keep|prefer|write|check|call|set)|must (?:never|not) \w+|never (?:use|run|add|put|commit|call|push|edit|modify|log|store|deploy|merge|change|delete|touch|mock|skip|ship|release|rely|trust|restart|write|send|return|expose|import|hard-?code)|"
    r"from now on|our (?:convention|policy|standard|rule)|by convention|(?:in|for) this (?:repo|project|codebase|team) (?:we|all|every|the|use)|don't (?:use|ever|mock|commit|add) .{3,80} (?:because|since|instead|as )|"
    r"use .{2,60} (?:instead of|rather than|not) .{2,80}\b(?:because|since|so that|everywhere|always|for all|in all)\b|i (?:always|never|prefer) |remember(?: that| to|:) )|我们(?:总是|从不|使用|采用|不用)|以后(?:都|请)|必须使用|不要使用",
    re.IGNORECASE,
)
_FACT = re.compile(r"\b(?:is|are|was|lives?|should|must|needs?|has to|have to|comes?|expects?|means|uses?)\b|应该|必须|是", re.IGNORECASE)
_TASK = re.compile(
    r"(?:update|change|rename|replace|modify|fix|make|add|remove|create|move|rewrite|convert|switch|implement|in (?:the |test_)?\w+, use)\b",
    re.IGNORECASE,
)
"""Something to do now, not a rule for later."""
_ASKING = re.compile(
    r"\?|^still\b|\b(?:can|could|would|will|did|do|does|should) (?:you|we|i)\b|^(?:what|why|how|where|which|when|who)\b|\blet's\b|\bplease\b",
    re.IGNORECASE,
)


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    prompt = exchange.prompt
    if prompt is None or len(prompt.text) > MOST_PROMPT_CHARS:
        return
    corrects = ending(prompt.text) == "corrected"
    made = 0
    for statement in statements(prompt):
        text = statement.text
        if made == MOST or is_noise(text) or _ASKING.search(text) or _TASK.match(text):
            continue
        if _POLICY.search(text):
            made += 1
            yield Found("policy", _type(text), statement, text, 0.75)
        elif corrects and _FACT.search(text) and names_something(text):
            made += 1
            yield Found("policy", "gotcha", statement, text, 0.6)


def _type(text: str) -> KnowledgeType:
    if re.search(r"\btests?\b|\bmock|测试", text, re.IGNORECASE):
        return "testing_strategy"
    if re.search(r"\bdeploy|\brelease|\bproduction|\bstaging|部署", text, re.IGNORECASE):
        return "deployment_approach"
    if re.search(r"\bdecided|\bchose|\bagreed|instead of|rather than|because|since|决定", text, re.IGNORECASE):
        return "architectural_decision"
    return "coding_pattern"
