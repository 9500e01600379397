"""Count tokens with tiktoken, with a margin for models that have another tokenizer.

The encodings' files come with litellm's wheel: nothing is downloaded. A count is an upper bound for a hold, never a bill.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

CHARS_OF_A_RUN = 8
"""tiktoken encodes runs of spaces and punctuation as one token; other tokenizers need one per 8 characters at most."""
PIECE_CHARS = 20_000
"""Texts are counted in pieces: tiktoken's time is quadratic in a run without spaces."""
_OLD = ("gpt-3.5", "gpt-4-", "gpt-4", "text-embedding")


def count_text(text: str, *, model: str = "", exact: bool = True) -> int:
    """Count a text's tokens in an OpenAI model's encoding (the newest one for other models).

    `exact` False: an estimate for other tokenizers, before a margin: what is one token to tiktoken may be many to them.
    """
    encoding = _encoding(_name_of(model))
    pieces = (text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS))
    counted = sum(len(encoding.encode_ordinary(piece)) for piece in pieces)
    if exact:
        return counted
    foreign = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - len(text)
    return max(counted + foreign, len(text) // CHARS_OF_A_RUN)


def first_tokens(text: str, tokens: int, *, model: str = "") -> str:
    """Return the first `tokens` tokens of a text, without a character that the cut would split."""
    encoding, left = _encoding(_name_of(model)), max(0, tokens)
    for start in range(0, len(text), PIECE_CHARS):
        found = encoding.encode_ordinary(text[start : start + PIECE_CHARS])
        if len(found) > left:
            return text[:start] + encoding.decode(found[:left], errors="ignore")
        left -= len(found)
    return text


def text_of(tokens: Sequence[int], *, model: str = "") -> str:
    """Decode tokens. Raises ValueError for a number that is no token of the encoding."""
    try:
        return _encoding(_name_of(model)).decode(list(tokens))
    except (KeyError, OverflowError) as error:
        raise ValueError("not a token of this encoding") from error


def _bare(model: str) -> str:
    return model.rpartition("/")[2]


def _name_of(model: str) -> str:
    bare = _bare(model)
    return "cl100k_base" if bare.startswith(_OLD) and not bare.startswith(("gpt-4o", "gpt-4.")) else "o200k_base"


@cache
def _encoding(name: str) -> tiktoken.Encoding:
    """Load an encoding on first use: 0.2 s."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ and (found := importlib.util.find_spec("litellm")) and found.submodule_search_locations:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(found.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers")
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    encoding._mergeable_ranks.clear()  # noqa: SLF001 - 30 MB: a copy of what the compiled part holds, read only to copy an encoding
    return encoding
