"""How many tokens is it? Counted with tiktoken; where a model's own tokenizer is another one, with a margin on top.

The encodings' files come with litellm's wheel: nothing is downloaded. A count is an upper bound for a hold, never a bill.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

MESSAGE_TOKENS, NAME_TOKENS, REPLY_TOKENS = 4, 1, 3
"""What OpenAI's chat format adds: to each message, to a name, to the whole. Newer models add 3 to a message; 4 is the most."""
TOOL_TOKENS = 16
"""What the declaration of one tool adds to its JSON."""
TOOLS_TOKENS = 400
"""What a provider with a prompt of its own for tools adds to it: Anthropic 346 at most."""
CHARS_OF_A_RUN = 8
"""tiktoken knows runs of spaces and signs as one token; others take one for so many characters at most."""
PIECE_CHARS = 20_000
"""Counted in pieces: tiktoken's time grows with the square of a run without a space."""
_OLD = ("gpt-3.5", "gpt-4-", "gpt-4", "text-embedding")
MAX_IMAGE_TOKENS = 48_169
"""Of one image, at the model that counts most of those known (gpt-4o-mini: 2,833, and 5,667 a tile of eight): docs/decisions/0024."""


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The most tokens that a model counts for one image. `low`: where the caller asks for `detail: low`; None: the same."""

    most: int = MAX_IMAGE_TOKENS
    low: int | None = None


ANY_IMAGE = ImageTokens()
"""Of a model that isn't known."""


def count_text(text: str, *, model: str = "", exact: bool = True) -> int:
    """Tokens of a text, in the encoding of an OpenAI model (any other: the newest encoding).

    Not `exact`: as many as another tokenizer may make of it, before a margin: what tiktoken knows as one token may be many elsewhere.
    """
    encoding = _encoding(_name_of(model))
    pieces = (text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS))
    counted = sum(len(encoding.encode_ordinary(piece)) for piece in pieces)
    if exact:
        return counted
    foreign = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - len(text)
    return max(counted + foreign, len(text) // CHARS_OF_A_RUN)


def first_tokens(text: str, tokens: int, *, model: str = "") -> str:
    """Cut a text to its first `tokens` tokens. A character that the cut would split is left out."""
    encoding, left = _encoding(_name_of(model)), max(0, tokens)
    for start in range(0, len(text), PIECE_CHARS):
        found = encoding.encode_ordinary(text[start : start + PIECE_CHARS])
        if len(found) > left:
            return text[:start] + encoding.decode(found[:left], errors="ignore")
        left -= len(found)
    return text


def text_of(tokens: Sequence[int], *, model: str = "") -> str:
    """The text that was encoded to these. ValueError for a number that is no token of the encoding."""
    try:
        return _encoding(_name_of(model)).decode(list(tokens))
    except (KeyError, OverflowError) as error:
        raise ValueError("no token") from error


def count_messages(
    messages: Sequence[Mapping[str, object]],
    *,
    tools: Sequence[object] = (),
    extra: Mapping[str, object] | None = None,
    model: str = "",
    margin: float = 1.0,
    images: ImageTokens = ANY_IMAGE,
) -> int:
    """Tokens of a chat prompt in OpenAI's shape, format and tools included; `extra`: what else is sent and may be read.

    `margin`: 1.15 adds 15 %, for another tokenizer; 1 means that tiktoken's is the model's own. `images`: what the model counts for one.
    """
    exact = margin == 1.0
    total = REPLY_TOKENS + sum(_message(message, model, exact=exact) for message in messages)
    total += sum(TOOL_TOKENS + _json(tool, model, exact=exact) for tool in tools)
    if extra:
        total += _json(extra, model, exact=exact)
    return math.ceil(total * margin) + (0 if exact or not tools else TOOLS_TOKENS) + count_images(messages, images)


def count_images(messages: Sequence[Mapping[str, object]], images: ImageTokens = ANY_IMAGE) -> int:
    """The most tokens that a model counts for the images of a prompt."""
    return sum(_image_tokens(part, images) for part, _ in _images(messages))


def image_chars(messages: Sequence[Mapping[str, object]]) -> int:
    """How much of a prompt is the data of its images."""
    return sum(len(url) for _, url in _images(messages))


def remote_images(messages: Sequence[Mapping[str, object]]) -> bool:
    """Whether an image is only named, so that the provider would have to fetch it."""
    return any(not url.startswith("data:") for _, url in _images(messages))


def _images(messages: Sequence[Mapping[str, object]]) -> Iterator[tuple[object, str]]:
    """Each image block, and its address."""
    for message in messages:
        if isinstance(content := message.get("content"), list):
            yield from ((part, url) for part in content if (url := _image(part)) is not None)


def _image(part: object) -> str | None:
    """The address of an image block of OpenAI's own shape."""
    match part:
        case {"type": "image_url", "image_url": {"url": str() as url}, **more} if not more and url.startswith(("data:image/", "https://")):
            return url
        case _:
            return None


def _image_tokens(part: object, images: ImageTokens) -> int:
    match part:
        case {"image_url": {"detail": "low"}} if images.low is not None:
            return images.low
        case _:
            return images.most


def _message(message: Mapping[str, object], model: str, *, exact: bool) -> int:
    """Without its images: `count_images`."""
    total = MESSAGE_TOKENS
    for key, value in message.items():
        if key == "name":
            total += NAME_TOKENS
        parts = [each for each in value if _image(each) is None] if key == "content" and isinstance(value, list) else value
        total += _value(parts, model, exact=exact)
    return total


def _value(value: object, model: str, *, exact: bool) -> int:
    """Words as they are, lists block by block, blocks of text as their text; anything else as its JSON, with all that is in it."""
    match value:
        case None:
            return 0
        case str():
            return count_text(value, model=model, exact=exact)
        case list():
            return sum(_value(each, model, exact=exact) for each in value)
        case {"type": "text", "text": str() as text, **more} if more.keys() <= {"cache_control"}:
            return count_text(text, model=model, exact=exact) + MESSAGE_TOKENS
        case _:
            return _json(value, model, exact=exact)


def _json(value: object, model: str, *, exact: bool) -> int:
    return count_text(json.dumps(value, ensure_ascii=False, default=str), model=model, exact=exact)


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
