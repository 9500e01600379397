"""Counts the tokens of a chat prompt in OpenAI's format: its texts, tools, pictures and documents."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.tokens.documents import extent_of_url
from app.tokens.image_sizes import size_of_url
from app.tokens.images import ANY_IMAGE, ImageTokens
from app.tokens.text import count_text

MESSAGE_TOKENS, NAME_TOKENS, REPLY_TOKENS = 4, 1, 3
"""Overhead of OpenAI's chat format: per message, per name, per prompt. Newer models add 3 per message; 4 is the maximum."""
TOOL_TOKENS = 16
"""Overhead of a tool's declaration, beside its JSON."""
TOOLS_TOKENS = 400
"""Overhead of a provider's own tool prompt: at most 346 with Anthropic."""
MARKED = frozenset({"cache_control"})
"""The one field that a block may have beside its content: a mark for the provider's prompt cache."""
PDF = "application/pdf"
MEDIA_TYPES = ("image", "document")
MAX_READ_IMAGE_TOKENS = 20_000
"""The most that a known model reads for one image: gpt-4o-mini bills more for it than it reads."""
Json = Mapping[str, object]
Block = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MediaTokens:
    """The model's tokens for what isn't text: one image, and the picture of one page of a document (None: as an image)."""

    images: ImageTokens = ANY_IMAGE
    page: int | None = None

    @property
    def within_window(self) -> bool:
        """True if what is billed for a picture also takes as much of the model's window: where it is billed at a multiple, it doesn't."""
        return self.images.most <= MAX_READ_IMAGE_TOKENS

    @property
    def page_tokens(self) -> int:
        return self.images.most if self.page is None else self.page


ANY_MEDIA = MediaTokens()
"""Bound for an unknown model."""


def count_messages(
    messages: Sequence[Json],
    *,
    tools: Sequence[object] = (),
    extra: Mapping[str, object] | None = None,
    model: str = "",
    margin: float = 1.0,
) -> int:
    """Count the tokens of a chat prompt in OpenAI's format, with overhead and tools; `extra`: other fields that the model may read.

    Not those of images and documents: `count_media`. `margin`: 1.15 adds 15 % for another tokenizer; 1 means that tiktoken's is the
    model's own.
    """
    exact = margin == 1.0
    total = REPLY_TOKENS + sum(_message(message, model, exact=exact) for message in messages)
    total += sum(TOOL_TOKENS + _json(tool, model, exact=exact) for tool in tools)
    if extra:
        total += _json(extra, model, exact=exact)
    return math.ceil(total * margin) + (0 if exact or not tools else TOOLS_TOKENS)


def count_json(body: object, *, model: str = "", margin: float = 1.0) -> int:
    """Count the tokens of a request in any other format: all of its words and names, and some for each object. Not those of its media.

    Media are objects of type image or document with their data in base64: `count_media` counts them.
    """
    words: list[str] = []
    objects = 0
    waiting: list[object] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            objects += 1
            words += map(str, value)
            waiting += [_without_data(each) if value.get("type") in MEDIA_TYPES else each for each in value.values()]
        elif isinstance(value, list):
            waiting += value
        elif value is not None:
            words.append(str(value))
    counted = count_text("\n".join(words), model=model, exact=margin == 1.0) + MESSAGE_TOKENS * objects
    return math.ceil(counted * margin) + TOOLS_TOKENS


def _without_data(source: object) -> object:
    if not isinstance(source, Mapping) or source.get("type") != "base64":
        return source
    kind = str(source.get("media_type"))
    return {**source, "data": None} if kind == PDF or kind.startswith("image/") else source


def count_media(messages: Sequence[Json], media: MediaTokens = ANY_MEDIA, *, window: int | None = None) -> int:
    """Return the upper bound of tokens for a prompt's images and documents. `window`: the model's, which documents can't exceed."""
    pages = sum(extent_of_url(url).tokens(media.page_tokens) for _, url in documents(messages))
    if window is not None and media.within_window:
        pages = min(pages, window)
    return pages + sum(_image_tokens(part, url, media.images) for part, url in images(messages))


def media_chars(messages: Sequence[Json]) -> int:
    """Return the number of characters of a prompt's images and documents, inline data included."""
    return sum(len(url) for _, url in images(messages)) + document_chars(messages)


def document_chars(messages: Sequence[Json]) -> int:
    """Return the number of characters of a prompt's documents, inline data included."""
    return sum(len(url or "") for _, url in documents(messages))


def remote_images(messages: Sequence[Json]) -> bool:
    """Tell whether a prompt has an image by https URL, which the provider would have to fetch."""
    return any(not url.startswith("data:") for _, url in images(messages))


def images(messages: Sequence[Json]) -> Iterator[tuple[Block, str]]:
    """Yield each image block and its URL."""
    for block in _blocks(messages):
        if (url := _image(block)) is not None:
            yield block, url


def documents(messages: Sequence[Json]) -> Iterator[tuple[Block, str | None]]:
    """Yield each document block and its data URL; None: the provider fetches it."""
    for block in _blocks(messages):
        if _is_document(block):
            file = block["file"]
            data = file.get("file_data") if isinstance(file, Mapping) else None
            yield block, data if isinstance(data, str) else None


def _blocks(messages: Sequence[Json]) -> Iterator[Block]:
    for message in messages:
        if isinstance(content := message.get("content"), list):
            yield from (part for part in content if isinstance(part, Mapping))


def _image(part: object) -> str | None:
    """Return an image block's URL in OpenAI's format; None if it is none."""
    match part:
        case {"type": "image_url", "image_url": {"url": str() as url}, **more} if more.keys() <= MARKED:
            return url if url.startswith(("data:image/", "https://")) else None
        case _:
            return None


def _is_document(part: object) -> bool:
    """Tell whether a block is a document in OpenAI's format: a PDF inline, by its address or by its id at the provider."""
    match part:
        case {"type": "file", "file": {"file_data": str() as data}, **more} if more.keys() <= MARKED:
            return data.startswith(f"data:{PDF}")
        case {"type": "file", "file": {"file_url": str()} | {"file_id": str()}, **more}:
            return more.keys() <= MARKED
        case _:
            return False


def _image_tokens(part: Block, url: str, counted: ImageTokens) -> int:
    asked = part["image_url"]
    return counted.count(size_of_url(url), asked.get("detail") if isinstance(asked, Mapping) else None)


def _message(message: Json, model: str, *, exact: bool) -> int:
    """Count a message without its images and documents, which `count_media` counts."""
    total = MESSAGE_TOKENS
    for key, value in message.items():
        if key == "name":
            total += NAME_TOKENS
        parts = [_words(each) for each in value if _image(each) is None] if key == "content" and isinstance(value, list) else value
        total += _value(parts, model, exact=exact)
    return total


def _words(part: object) -> object:
    """Return a block as what is counted as text: of a document all but its data."""
    if not _is_document(part) or not isinstance(part, Mapping):
        return part
    return {"type": "file", "file": {name: value for name, value in part["file"].items() if name != "file_data"}}


def _value(value: object, model: str, *, exact: bool) -> int:
    """Count a value: strings as text, lists item by item, text blocks as their text, anything else as its JSON."""
    match value:
        case None:
            return 0
        case str():
            return count_text(value, model=model, exact=exact)
        case list():
            return sum(_value(each, model, exact=exact) for each in value)
        case {"type": "text", "text": str() as text, **more} if more.keys() <= MARKED:
            return count_text(text, model=model, exact=exact) + MESSAGE_TOKENS
        case _:
            return _json(value, model, exact=exact)


def _json(value: object, model: str, *, exact: bool) -> int:
    return count_text(json.dumps(value, ensure_ascii=False, default=str), model=model, exact=exact)
