"""Describes images by kind and size: what an image shows is never stored, wherever in a transcript its data stands."""

from __future__ import annotations

import re
from dataclasses import replace

from app.sessions.event import Event

IMAGE_TYPES = frozenset({"image", "input_image", "image_url", "output_image"})
MIN_DATA_CHARS = 64
_DATA_URL = re.compile(
    rf"data:(?P<kind>image/[\w.+-]{{1,40}})(?:;[\w=.+-]{{1,60}})*;base64,(?P<data>[A-Za-z0-9+/=_-]{{{MIN_DATA_CHARS},}})"
)
_DESCRIBED = re.compile(r"\[image(?:: [^\[\]\n]{1,60})?\]")
_KIND = re.compile(r"[\w.+-]+/[\w.+-]+")


def image_in(block: dict[str, object]) -> str:
    """Describe an image block: `[image: image/png, 34 kB]`, as far as the block tells."""
    source = held if isinstance(held := block.get("source"), dict) else block
    given = source.get("image_url", source.get("url"))
    address = given.get("url") if isinstance(given, dict) else given
    if isinstance(address, str) and (written := _DATA_URL.match(address)):
        return _described(written["kind"], len(written["data"]))
    kind = next((told for key in ("media_type", "mimeType", "mime_type") if isinstance(told := source.get(key), str)), None)
    data = source.get("data")
    return _described(kind, len(data) if isinstance(data, str) else 0)


def without_images(text: str) -> str:
    """Return the words of a text, without the descriptions of images: one record of a prompt may show them, and its repetition not."""
    return _DESCRIBED.sub("", text)


def plain_images(text: str) -> str:
    """Write each description of an image as `[image]`: what ids are made from, so that they stay."""
    return _DESCRIBED.sub("[image]", text) if "[image: " in text else text


def without_data(event: Event) -> Event:
    """Replace image data written within an event's texts by its description."""
    text, tool = _replaced(event.text), event.tool
    if tool is not None:
        given, output = _replaced(tool.input), _replaced(tool.output)
        if given is not tool.input or output is not tool.output:
            tool = replace(tool, input=given, output=output)
    return event if text is event.text and tool is event.tool else replace(event, text=text, tool=tool)


def _replaced(text: str) -> str:
    if len(text) < MIN_DATA_CHARS:
        return text
    if ";base64," in text:
        text = _DATA_URL.sub(lambda found: _described(found["kind"], len(found["data"])), text)
    return text


def _described(kind: str | None, characters: int) -> str:
    """Describe by media type and by the bytes that this many characters of base64 hold."""
    size = characters * 3 // 4
    told = [kind] if kind and len(kind) <= 40 and _KIND.fullmatch(kind) else []
    if size:
        told.append(f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB")
    return f"[image: {', '.join(told)}]" if told else "[image]"
