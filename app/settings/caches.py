"""Settings of the caches: their size, eviction policy and lifetimes; the warm-up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.settings.sections import Section

EvictionPolicy = Literal["lru", "lfu", "w-tinylfu"]


class CacheSizeSettings(Section):
    """Bounds of a cache's memory, and its eviction policy."""

    policy: EvictionPolicy = Field("w-tinylfu", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu")
    entries: int = Field(2000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(64 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")


class CompletionsCacheSettings(CacheSizeSettings):
    """The cache of completions: a repeated prompt of a team costs nothing. Never shared across teams."""

    enabled: bool = Field(True, description="answer a team's repeated prompt from the cache")
    ttl_seconds: float = Field(7200, gt=0, description="seconds that an answer is kept, unless its temperature was 0")
    deterministic_ttl_seconds: float = Field(86_400, gt=0, description="seconds that an answer of temperature 0 is kept")


class SemanticCacheSettings(Section):
    """The semantic cache: answers a prompt from another one that asks the same in other words. Off by default: docs/decisions/0013."""

    enabled: bool = Field(False, description="answer a prompt that asks the same in other words from the cache")
    threshold: float = Field(
        0.95, ge=0.9, le=1, description="cosine from which two prompts may ask the same; the guards in app/likeness/ decide too"
    )
    entries: int = Field(2000, ge=1, le=20_000, description="prompts kept in each server's memory")
    timeout_seconds: float = Field(0.05, gt=0, le=1, description="seconds that a call may wait for the search of similar prompts")


class QueriesCacheSettings(CacheSizeSettings):
    """The cache of knowledge queries: a repeated question only checks for changes. Never shared across teams."""

    enabled: bool = Field(True, description="answer a team's repeated question from the cache until what it covers has changed")
    policy: EvictionPolicy = Field("lru", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu")
    entries: int = Field(200, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(300, gt=0, description="seconds that an answer is kept")


class EmbeddingsCacheSettings(CacheSizeSettings):
    """The cache of texts' vectors: 1.8 kB an entry."""

    entries: int = Field(10_000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(20 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(86_400, gt=0, description="seconds that a text's vector is kept")


class KeysCacheSettings(CacheSizeSettings):
    """The cache of keys and their requesters."""

    policy: EvictionPolicy = Field("lru", description="what is evicted from memory when it is full: lru, lfu or w-tinylfu")
    entries: int = Field(10_000, ge=1, description="entries kept in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="bytes of each process's memory that entries may take")
    ttl_seconds: float = Field(
        30, gt=0, le=300, description="seconds that a checked key is kept: a key revoked on another server is refused within this time"
    )


class PrewarmSettings(Section):
    """The warm-up: the most used entries are loaded after a start, in the background."""

    enabled: bool = Field(True, description="bring the entries used most back into memory after a start; needs cache.database")
    entries: int = Field(500, ge=1, description="entries of each cache that are loaded")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="bytes of each cache that are loaded")
    seconds: float = Field(5, gt=0, description="seconds that loading may take, for each cache")
    noted_seconds: float = Field(30, gt=0, description="seconds between two records of which entries were used")


class CacheSettings(Section):
    completions: CompletionsCacheSettings = CompletionsCacheSettings()
    semantic: SemanticCacheSettings = SemanticCacheSettings()
    queries: QueriesCacheSettings = QueriesCacheSettings()
    embeddings: EmbeddingsCacheSettings = EmbeddingsCacheSettings()
    keys: KeysCacheSettings = KeysCacheSettings()
    prewarm: PrewarmSettings = PrewarmSettings()
    tier_timeout_seconds: float = Field(
        0.02, gt=0, description="seconds that a lookup waits for Redis or PostgreSQL; a slower tier is skipped"
    )
    database: bool = Field(True, description="keep entries in PostgreSQL too, below memory and Redis")
