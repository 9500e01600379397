"""How many tokens is it? Counted with tiktoken; where a model's own tokenizer is another one, with a margin on top.

The encodings' files come with litellm's wheel: nothing is downloaded. A count is an upper bound for a hold, never a bill.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

MESSAGE_TOKENS, NAME_TOKENS, REPLY_TOKENS = 4, 1, 3
"""What OpenAI's chat format adds: to each message, to a name, to the whole. Newer models add 3 to a message; 4 is the most."""
TOOL_TOKENS = 16
"""What the declaration of one tool adds to its JSON."""
IMAGE_TOKENS = 2_000
"""At most, of one image: OpenAI's high detail reaches 1,445 (85 + 170 a tile), Anthropic's 1,600."""
IMAGE_TOKENS_OF = {"gpt-4o-mini": 48_169, "gpt-4.1-mini": 2_489, "gpt-4.1-nano": 3_779}
"""Models that charge more: 2,833 + 5,667 a tile of eight at most; 1,536 patches × 1.62 or × 2.46."""
PIECE_CHARS = 20_000
"""Counted in pieces: tiktoken's time grows with the square of a run without a space."""
_OLD = ("gpt-3.5", "gpt-4-", "gpt-4", "text-embedding")


def count_text(text: str, *, model: str = "") -> int:
    """Tokens of a text, in the encoding of an OpenAI model (any other: the newest encoding)."""
    encoding = _encoding(_name_of(model))
    pieces = (text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS))
    return sum(len(encoding.encode_ordinary(piece)) for piece in pieces)


def count_messages(messages: Sequence[Mapping[str, object]], *, tools: Sequence[object] = (), model: str = "", margin: float = 1.0) -> int:
    """Tokens of a chat prompt in OpenAI's shape, format and tools included; `margin`: 1.15 adds 15 %, for another tokenizer."""
    total = REPLY_TOKENS + sum(_message(message, model) for message in messages)
    total += sum(TOOL_TOKENS + count_text(json.dumps(tool, ensure_ascii=False, default=str), model=model) for tool in tools)
    return math.ceil(total * margin)


def _message(message: Mapping[str, object], model: str) -> int:
    total = MESSAGE_TOKENS
    for key, value in message.items():
        if key == "name":
            total += NAME_TOKENS
        total += _value(value, model)
    return total


def _value(value: object, model: str) -> int:
    """Words as they are, lists of content blocks block by block, anything else as its JSON."""
    match value:
        case None:
            return 0
        case str():
            return count_text(value, model=model)
        case list():
            return sum(_value(each, model) for each in value)
        case {"type": "image_url" | "image" | "input_image"}:
            return next((most for name, most in IMAGE_TOKENS_OF.items() if _bare(model).startswith(name)), IMAGE_TOKENS)
        case dict() if isinstance(value.get("text"), str):
            return count_text(value["text"], model=model) + MESSAGE_TOKENS
        case _:
            return count_text(json.dumps(value, ensure_ascii=False, default=str), model=model)


def _bare(model: str) -> str:
    return model.rpartition("/")[2]


def _name_of(model: str) -> str:
    bare = _bare(model)
    return "cl100k_base" if bare.startswith(_OLD) and not bare.startswith(("gpt-4o", "gpt-4.")) else "o200k_base"


@cache
def _encoding(name: str) -> tiktoken.Encoding:
    """Loaded at first use: 0.2 s."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ and (found := importlib.util.find_spec("litellm")) and found.submodule_search_locations:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(found.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers")
    import tiktoken

    return tiktoken.get_encoding(name)
