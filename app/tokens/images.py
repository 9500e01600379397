"""Bounds the tokens that a model counts for one picture, by the formulas of the vendors: docs/decisions/0043 has their sources."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, assert_never

from app.tokens.image_sizes import Size

MAX_IMAGE_TOKENS = 48_169
"""Tokens of one image at the most expensive known model (gpt-4o-mini: 2,833 + 5,667 for each of eight tiles)."""
ImageFormula = Literal["tiles", "patches", "area", "crops"]
"""The way a vendor counts: OpenAI's tiles of 512 pixels, its patches of 32, Anthropic's area, Google's crops."""
FIT_PIXELS, SHORT_PIXELS, TILE_PIXELS, MAX_TILES = 2048, 768, 512, 8
PATCH_PIXELS, MAX_PATCHES = 32, 1536
AREA_PIXELS, AREA_PATCH_PIXELS = 750, 28
"""Anthropic's pixels per token, and the edge of its newer models' patches: the dearer of the two counts."""
CROP_TOKENS, SMALL_PIXELS, MIN_CROP, MAX_CROP = 258, 384, 256, 768


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """The upper bound of a model's tokens for one image. `low`: with `detail: low`; None: the same.

    `formula`: the way to the tokens of an image whose size is known, never above `most`; None: always `most`.
    """

    most: int = MAX_IMAGE_TOKENS
    low: int | None = None
    formula: ImageFormula | None = None

    def count(self, size: Size | None, detail: object = None) -> int:
        """Return the most tokens of an image. `size` None: unknown; `detail`: OpenAI's."""
        if detail == "low" and self.low is not None:
            return self.low
        return self.most if size is None else min(self.most, self._by_size(*size))

    def _by_size(self, width: int, height: int) -> int:
        match self.formula:
            case None:
                return self.most
            case "tiles":
                base = self.low or 0
                return base + tiles(width, height) * -(-(self.most - base) // MAX_TILES)
            case "patches":
                return -(-min(patches(width, height, PATCH_PIXELS), MAX_PATCHES) * self.most // MAX_PATCHES)
            case "area":
                return max(-(-width * height // AREA_PIXELS), patches(width, height, AREA_PATCH_PIXELS))
            case "crops":
                return crops(width, height) * CROP_TOKENS
        assert_never(self.formula)


ANY_IMAGE = ImageTokens()
"""Bound for an unknown model."""


def tiles(width: int, height: int) -> int:
    """Return OpenAI's tiles of an image that is fitted into 2,048 pixels, then brought to 768 on its shorter side.

    Smaller images are scaled up, as the vendor's page says, though its servers seem not to: the dearer reading counts.
    """
    longer, shorter = Fraction(max(width, height)), Fraction(min(width, height))
    if longer > FIT_PIXELS:
        longer, shorter = Fraction(FIT_PIXELS), shorter * FIT_PIXELS / longer
    scale = min(SHORT_PIXELS / shorter, FIT_PIXELS / longer)
    return -(-longer * scale // TILE_PIXELS) * -(-shorter * scale // TILE_PIXELS)


def patches(width: int, height: int, pixels: int) -> int:
    """Return the squares of so many pixels that cover an image."""
    return -(-width // pixels) * -(-height // pixels)


def crops(width: int, height: int) -> int:
    """Return Google's crops of an image, and one for the whole of it."""
    if max(width, height) <= SMALL_PIXELS:
        return 1
    edge = min(max(min(width, height) * 2 // 3, MIN_CROP), MAX_CROP)
    return patches(width, height, edge) + 1
