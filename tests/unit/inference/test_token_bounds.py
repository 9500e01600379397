"""Upper bounds of a call's tokens, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.budget.prices import Price, TokenBounds
from app.inference.chain import ChainProvider
from app.inference.profiles import PROFILES, profile_of
from app.inference.request import ChatRequest
from app.inference.token_bounds import MAX_BYTES_COUNTED, bound_chat, bound_texts
from app.inference.wires.compatible import CompatibleWire
from app.tokens import ANY_MEDIA, ImageTokens, MediaTokens, count_messages, count_text

ASKED = [{"role": "user", "content": "Why does the checkout charge twice?"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def provider(kind: str = "openai", model: str = "m", *, window: int | None = None, media: MediaTokens = ANY_MEDIA) -> ChainProvider:
    wire = CompatibleWire(kind="local", api_base="http://127.0.0.1:9", api_key=None, connect_seconds=1, connections=1)
    return ChainProvider("one", profile_of(kind), model, Price(1, 1), wire, context_tokens=window, media=media)


def asked(messages: Sequence[Mapping[str, Any]] = ASKED, *, choices: int = 1, size: int = 0, **parameters: Any) -> ChatRequest:
    return ChatRequest("auto", messages, parameters, choices=choices, bytes=size)


@pytest.mark.parametrize("kind", [*PROFILES, "ollama", ""])
async def test_another_tokenizer_than_openais_gets_a_margin(kind: str) -> None:
    margin = profile_of(kind).token_margin
    bounds = await bound_chat(asked(), provider(kind), max_tokens=0)
    assert bounds.input_tokens == count_messages(ASKED, model="m", margin=margin)
    assert bounds.input_tokens >= count_messages(ASKED, model="m")
    assert (bounds.input_tokens == count_messages(ASKED, model="m")) == (kind in {"openai", "azure"})


async def test_a_chat_is_bounded_by_its_prompt_and_the_longest_answer_of_each_choice() -> None:
    counted = count_messages(ASKED, model="gpt-4o")
    bounds = await bound_chat(asked(choices=3), provider(model="gpt-4o"), max_tokens=100)
    assert bounds == TokenBounds(counted, 100, 3)
    assert (bounds.output_tokens, bounds.total) == (300, counted + 300)


async def test_tools_and_schemas_are_a_part_of_the_prompt() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "look", "parameters": schema}}]
    bare = (await bound_chat(asked(), provider("groq"), max_tokens=1)).input_tokens
    for parameters in ({"tools": tools}, {"response_format": {"type": "json_schema", "json_schema": schema}}):
        armed = (await bound_chat(asked(**parameters), provider("groq"), max_tokens=1)).input_tokens
        assert armed > bare + count_text(str(schema)) / 2
    assert (await bound_chat(asked(temperature=0.5), provider("groq"), max_tokens=1)).input_tokens == bare


@pytest.mark.parametrize("texts", [[], [""], ["one"], ["one", "two words", "three words here"] * 30])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "somebody"])
async def test_embeddings_are_bounded_by_their_texts_alone(texts: list[str], kind: str) -> None:
    bounds = await bound_texts(texts, provider(kind, "text-embedding-3-small"))
    margin = profile_of(kind).token_margin
    counted = sum(count_text(text, model="text-embedding-3-small") for text in texts)
    assert counted * margin <= bounds.input_tokens <= counted * margin + len(texts)
    assert bounds.output_tokens == 0


@pytest.mark.parametrize("window", [None, 30_000])
async def test_a_prompt_too_large_to_count_is_bounded_by_its_bytes_and_images_or_the_window(window: int | None) -> None:
    size, url = MAX_BYTES_COUNTED + 1, len(IMAGE["image_url"]["url"])  # type: ignore[index]
    candidate = provider("groq", window=window, media=MediaTokens(ImageTokens(5000)))
    bounds = await bound_chat(
        asked([{"role": "user", "content": [IMAGE, IMAGE]}], size=size + 2 * url, choices=2), candidate, max_tokens=10
    )
    assert bounds == TokenBounds(size + 10_000 if window is None else window, 10, 2)


@pytest.mark.parametrize("images", [ImageTokens(5000), ImageTokens(85)])
async def test_a_models_images_are_counted_at_its_own_figure(images: ImageTokens) -> None:
    with_two, without = [
        (await bound_chat(asked([{"content": each}]), provider("groq", media=MediaTokens(images)), max_tokens=1)).input_tokens
        for each in ([IMAGE, IMAGE], [])
    ]
    assert with_two == without + 2 * images.most
