"""Tokens of pictures, by each vendor's own examples."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.budget.price_list import load
from app.tokens import ANY_IMAGE, MAX_IMAGE_TOKENS, ImageTokens, MediaTokens, count_media
from tests.unit.tokens.test_image_sizes import png

TILES, PATCHES = ImageTokens(1445, 85, "tiles"), ImageTokens(2489, None, "patches")
AREA, CROPS = ImageTokens(1640, None, "area"), ImageTokens(6450, None, "crops")
KINDS = [TILES, PATCHES, AREA, CROPS, ANY_IMAGE, ImageTokens(900)]
edges = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("size", "detail", "tokens"),
    [
        ((1024, 1024), "high", 765),  # OpenAI's own three examples
        ((2048, 4096), None, 1105),
        ((4096, 8192), "low", 85),
        ((1024, 1024), "auto", 765),
        ((2048, 768), None, 1445),
        ((768, 768), None, 765),
        ((512, 512), None, 765),
        ((1, 1), None, 765),
        ((20_000, 10), None, 85 + 4 * 170),
        (None, "low", 85),
        (None, None, 1445),
    ],
)
def test_openais_tiles(size: tuple[int, int] | None, detail: str | None, tokens: int) -> None:
    assert TILES.count(size, detail) == tokens


@pytest.mark.parametrize(
    ("size", "patches"),
    [((1024, 1024), 1024), ((32, 32), 1), ((33, 1), 2), ((1800, 2400), 1536), ((8000, 8000), 1536)],  # 1,024 and 1,452 are OpenAI's
)
@pytest.mark.parametrize(("most", "factor"), [(2489, 1.62), (2642, 1.72), (3779, 2.46)])
def test_openais_patches(size: tuple[int, int], patches: int, most: int, factor: float) -> None:
    found = ImageTokens(most, None, "patches").count(size, "low")
    assert patches * factor <= found <= patches * factor + 2


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((200, 200), 64), ((1000, 1000), 1334), ((1092, 1092), 1590), ((1568, 784), 1640), ((8000, 8000), 1640), ((1, 1568), 56)],
)  # Anthropic's: about 54, 1,334 and 1,590; and no part of a patch of 28 pixels is left out
def test_anthropics_area(size: tuple[int, int], tokens: int) -> None:
    assert AREA.count(size) == tokens


@pytest.mark.parametrize(
    ("size", "crops"), [((384, 384), 1), ((1, 384), 1), ((960, 540), 6 + 1), ((385, 385), 4 + 1), ((3072, 257), 24 + 1), ((9000, 9000), 25)]
)  # Google's: 258 up to 384 pixels, six crops for 960 × 540
def test_googles_crops(size: tuple[int, int], crops: int) -> None:
    assert CROPS.count(size) == 258 * crops


@given(st.sampled_from(KINDS), edges, edges, st.sampled_from([None, "low", "high", "auto", "original", 7]))
def test_no_picture_counts_more_than_the_models_most_and_turning_it_changes_nothing(
    images: ImageTokens, width: int, height: int, detail: object
) -> None:
    found = images.count((width, height), detail)
    assert 0 < found <= images.most
    assert found == images.count((height, width), detail)


@given(st.sampled_from([PATCHES, AREA]), edges, edges, st.integers(0, 500), st.integers(0, 500))
def test_a_larger_picture_never_counts_less(images: ImageTokens, width: int, height: int, wider: int, higher: int) -> None:
    assert images.count((width, height)) <= images.count((width + wider, height + higher))


def test_a_picture_in_a_prompt_counts_by_its_size_and_one_elsewhere_as_the_most() -> None:
    inline = "data:image/jpeg;base64," + base64.b64encode(png(1024, 1024)).decode()
    for url, tokens in ((inline, 765), ("https://x.example/a.png", 1445)):
        asked = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        assert count_media(asked, MediaTokens(TILES)) == tokens


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (1024, 1024), 765), ("gpt-4o-mini", (1024, 1024), 2833 + 4 * 5667), ("gpt-5", (1024, 1024), 70 + 4 * 140),
        ("o3", (1024, 1024), 75 + 4 * 150), ("gpt-5-nano", (1024, 1024), 2520), ("claude-opus-4-7", (2000, 1500), 4000),
        ("claude-opus-4-7", (2576, 2576), 4784), ("claude-sonnet-4-5", (2000, 1500), 1640), ("gemini-2.5-pro", (960, 540), 7 * 258),
        ("gemini-3-pro-preview", (96, 96), 1120), ("grok-4", (96, 96), 1792), ("local", (96, 96), 16_386), ("unknown", (96, 96), MAX_IMAGE_TOKENS),
    ],
)  # fmt: skip
def test_the_shipped_list_counts_pictures_by_each_models_formula(model: str, size: tuple[int, int], tokens: int) -> None:
    assert load().traits_of(model).media.images.count(size) == tokens
