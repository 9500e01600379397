"""Counts tokens: of texts with tiktoken, of pictures and documents by the vendors' rules. A count bounds a hold, and is never a bill."""

from __future__ import annotations

from app.tokens.images import ANY_IMAGE, MAX_IMAGE_TOKENS, ImageFormula, ImageTokens
from app.tokens.prompts import (
    ANY_MEDIA,
    MediaTokens,
    count_json,
    count_media,
    count_messages,
    document_chars,
    documents,
    images,
    media_chars,
    remote_images,
)
from app.tokens.text import count_text, first_tokens, text_of

__all__ = [
    "ANY_IMAGE",
    "ANY_MEDIA",
    "MAX_IMAGE_TOKENS",
    "ImageFormula",
    "ImageTokens",
    "MediaTokens",
    "count_json",
    "count_media",
    "count_messages",
    "count_text",
    "document_chars",
    "documents",
    "first_tokens",
    "images",
    "media_chars",
    "remote_images",
    "text_of",
]
