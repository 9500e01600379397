"""Count tokens with tiktoken, with a margin for models that have another tokenizer.

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
"""Overhead of OpenAI's chat format: per message, per name, per prompt. Newer models add 3 per message; 4 is the maximum."""
TOOL_TOKENS = 16
"""Overhead of a tool's declaration, beside its JSON."""
TOOLS_TOKENS = 400
"""Overhead of a provider's own tool prompt: at most 346 with Anthropic."""
CHARS_OF_A_RUN = 8
"""tiktoken encodes runs of spaces and punctuation as one token; other tokenizers need one per 8 characters at most."""
PIECE_CHARS = 20_000
"""Texts are counted in pieces: tiktoken's time is quadratic in a run without spaces."""
_OLD = ("gpt-3.5", "gpt-4-", "gpt-4", "text-embedding")
MAX_IMAGE_TOKENS = 48_169
"""Tokens of one image at the most expensive known model (gpt-4o-mini: 2,833 + 5,667 for each of eight tiles): docs/decisions/0024."""


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The upper bound of a model's tokens for one image. `low`: with `detail: low`; None: the same."""

    most: int = MAX_IMAGE_TOKENS
    low: int | None = None


ANY_IMAGE = ImageTokens()
"""Bound for an unknown model."""


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


def count_messages(
    messages: Sequence[Mapping[str, object]],
    *,
    tools: Sequence[object] = (),
    extra: Mapping[str, object] | None = None,
    model: str = "",
    margin: float = 1.0,
    images: ImageTokens = ANY_IMAGE,
) -> int:
    """Count the tokens of a chat prompt in OpenAI's format, with overhead and tools; `extra`: other fields that the model may read.

    `margin`: 1.15 adds 15 % for another tokenizer; 1 means that tiktoken's is the model's own. `images`: the model's tokens per image.
    """
    exact = margin == 1.0
    total = REPLY_TOKENS + sum(_message(message, model, exact=exact) for message in messages)
    total += sum(TOOL_TOKENS + _json(tool, model, exact=exact) for tool in tools)
    if extra:
        total += _json(extra, model, exact=exact)
    return math.ceil(total * margin) + (0 if exact or not tools else TOOLS_TOKENS) + count_images(messages, images)


def count_images(messages: Sequence[Mapping[str, object]], images: ImageTokens = ANY_IMAGE) -> int:
    """Return the upper bound of tokens for a prompt's images."""
    return sum(_image_tokens(part, images) for part, _ in _images(messages))


def image_chars(messages: Sequence[Mapping[str, object]]) -> int:
    """Return the number of characters of a prompt's image URLs, inline data included."""
    return sum(len(url) for _, url in _images(messages))


def remote_images(messages: Sequence[Mapping[str, object]]) -> bool:
    """Tell whether a prompt has an image by https URL, which the provider would have to fetch."""
    return any(not url.startswith("data:") for _, url in _images(messages))


def _images(messages: Sequence[Mapping[str, object]]) -> Iterator[tuple[object, str]]:
    """Yield each image block and its URL."""
    for message in messages:
        if isinstance(content := message.get("content"), list):
            yield from ((part, url) for part in content if (url := _image(part)) is not None)


def _image(part: object) -> str | None:
    """Return an image block's URL in OpenAI's format; None if it is none."""
    match part:
        case {"type": "image_url", "image_url": {"url": str() as url}, **more} if more.keys() <= {"cache_control"}:
            return url if url.startswith(("data:image/", "https://")) else None
        case _:
            return None


def _image_tokens(part: object, images: ImageTokens) -> int:
    match part:
        case {"image_url": {"detail": "low"}} if images.low is not None:
            return images.low
        case _:
            return images.most


def _message(message: Mapping[str, object], model: str, *, exact: bool) -> int:
    """Count a message without its images, which `count_images` counts."""
    total = MESSAGE_TOKENS
    for key, value in message.items():
        if key == "name":
            total += NAME_TOKENS
        parts = [each for each in value if _image(each) is None] if key == "content" and isinstance(value, list) else value
        total += _value(parts, model, exact=exact)
    return total


def _value(value: object, model: str, *, exact: bool) -> int:
    """Count a value: strings as text, lists item by item, text blocks as their text, anything else as its JSON."""
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
    """Load an encoding on first use: 0.2 s."""
    if "TIKTOKEN_CACHE_DIR" not in os.environ and (found := importlib.util.find_spec("litellm")) and found.submodule_search_locations:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(found.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers")
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    encoding._mergeable_ranks.clear()  # noqa: SLF001 - 30 MB: a copy of what the compiled part holds, read only to copy an encoding
    return encoding
