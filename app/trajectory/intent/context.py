"""Reads a prompt that only agrees by what it agrees to: the offer at the end of the reply before it. Pure."""

from __future__ import annotations

import re

from app.trajectory.intent.prose import PromptProse, prose_of

MAX_CONTEXT_CHARS = 1_000
MAX_AGREEMENT_CHARS = 40
_AGREES = re.compile(
    r"(?:yes|yeah|yep|ok|okay|sure|please|go ahead|go|do it|do that|do so|proceed|continue|go on|carry on|sounds good|that works|agreed|right|correct|thanks|thank you|great|perfect|let's|and|it|then|"
    r"ja|bitte|weiter|mach das|oui|vas-y|d'accord|continue|sí|si|claro|adelante|hazlo|sim|pode|continua|va bene|да|давай|продолжай|好的|好|可以|继续|行|是的|はい|お願いします|続けて|네|계속)"
    r"(?:[\s,.!。，！]+|$)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|\n+")
_OFFER = re.compile(
    r"\b(?:shall i|should i|would you like|do you want|want me to|may i|can i|i can|i could|i will|i'll|next,? i|next step|let me know if|soll ich|möchtest du|voulez-vous|veux-tu|quieres que|¿)"
    r"|要不要|是否需要|需要我|ましょうか|할까요",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"^.{0,40}?\b(?:shall i|should i|would you like me to|would you like to|do you want me to|want me to|may i|can i|i can|i could|i will|i'll|soll ich)\s+(?:now |also |then |go ahead and )*",
    re.IGNORECASE,
)


def read_prompt(text: str, context: str) -> PromptProse:
    """Part a prompt; one that only agrees is read as what it agrees to. `context`: the end of the reply before it, may be empty."""
    prose = prose_of(text)
    if context and only_agrees(prose) and (offer := offer_in(context)):
        return prose_of(offer)
    return prose


def only_agrees(prose: PromptProse) -> bool:
    """Tell whether a prompt says no more than yes."""
    rest = prose.said.strip()
    if not rest or len(rest) > MAX_AGREEMENT_CHARS:
        return False
    while rest and (found := _AGREES.match(rest)):
        rest = rest[found.end() :]
    return not rest


def offer_in(context: str) -> str:
    """Return what the last offer or question of a reply proposes to do; empty where it makes none."""
    for sentence in reversed(_SENTENCE.split(context[-MAX_CONTEXT_CHARS:])):
        if _OFFER.search(sentence):
            return _FRAME.sub("", sentence.strip()).rstrip("?？ ")
    return ""
