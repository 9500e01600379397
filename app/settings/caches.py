"""Settings of the caches: their size, eviction policy and lifetimes; the warm-up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.settings.sections import Section

EvictionPolicy = Literal["lru", "lfu", "w-tinylfu"]


class CacheSizeSettings(Section):
    """Bounds of a cache's memory, and its eviction policy."""

    policy: EvictionPolicy = Field("w-tinylfu", description="eviction policy of the cache in memory: lru, lfu or w-tinylfu")
    entries: int = Field(2000, ge=1, description="maximum entries in each process's memory")
    max_bytes: int = Field(64 * 2**20, ge=2**16, description="maximum bytes of the entries in each process's memory")


class CompletionsCacheSettings(CacheSizeSettings):
    """The cache of completions: a repeated prompt of a team costs nothing. Never shared across teams."""

    enabled: bool = Field(True, description="answer a prompt from the cache if the same team sent it before")
    ttl_seconds: float = Field(7200, gt=0, description="seconds that an answer is cached, if its temperature was not 0")
    deterministic_ttl_seconds: float = Field(86_400, gt=0, description="seconds that an answer is cached, if its temperature was 0")


class SemanticCacheSettings(Section):
    """The semantic cache: answers a prompt from another one that asks the same in other words. Off by default: docs/decisions/0013."""

    enabled: bool = Field(False, description="answer a prompt from the cache if an earlier one asked the same in other words")
    threshold: float = Field(
        0.95,
        ge=0.9,
        le=1,
        description=(
            "minimum cosine similarity at which two prompts may count as the same question, unless they differ in names, numbers or "
            "negations"
        ),
    )
    entries: int = Field(2000, ge=1, le=20_000, description="maximum prompts in each server's memory")
    timeout_seconds: float = Field(0.05, gt=0, le=1, description="maximum seconds that a call waits for the search for similar prompts")


class QueriesCacheSettings(CacheSizeSettings):
    """The cache of knowledge queries: a repeated question only checks for changes. Never shared across teams."""

    enabled: bool = Field(True, description="answer a team's repeated question from the cache until the knowledge it covers has changed")
    policy: EvictionPolicy = Field("lru", description="eviction policy of the cache in memory: lru, lfu or w-tinylfu")
    entries: int = Field(200, ge=1, description="maximum entries in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="maximum bytes of the entries in each process's memory")
    ttl_seconds: float = Field(300, gt=0, description="seconds that an answer is cached")


class EmbeddingsCacheSettings(CacheSizeSettings):
    """The cache of texts' vectors: 1.8 kB an entry."""

    entries: int = Field(10_000, ge=1, description="maximum entries in each process's memory")
    max_bytes: int = Field(20 * 2**20, ge=2**16, description="maximum bytes of the entries in each process's memory")
    ttl_seconds: float = Field(86_400, gt=0, description="seconds that a text's vector is cached")


class KeysCacheSettings(CacheSizeSettings):
    """The cache of keys and their requesters."""

    policy: EvictionPolicy = Field("lru", description="eviction policy of the cache in memory: lru, lfu or w-tinylfu")
    entries: int = Field(10_000, ge=1, description="maximum entries in each process's memory")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="maximum bytes of the entries in each process's memory")
    ttl_seconds: float = Field(
        30, gt=0, le=300, description="seconds that a verified key is cached; a key revoked on another server may work this long"
    )


class PrewarmSettings(Section):
    """The warm-up: the most used entries are loaded after a start, in the background."""

    enabled: bool = Field(True, description="after a start, load the most used entries into memory; needs cache.database")
    entries: int = Field(500, ge=1, description="maximum entries loaded per cache")
    max_bytes: int = Field(8 * 2**20, ge=2**16, description="maximum bytes loaded per cache")
    seconds: float = Field(5, gt=0, description="maximum seconds of loading, per cache")
    noted_seconds: float = Field(30, gt=0, description="seconds between two writes of the statistics on which entries are used")


class CacheSettings(Section):
    completions: CompletionsCacheSettings = CompletionsCacheSettings()
    semantic: SemanticCacheSettings = SemanticCacheSettings()
    queries: QueriesCacheSettings = QueriesCacheSettings()
    embeddings: EmbeddingsCacheSettings = EmbeddingsCacheSettings()
    keys: KeysCacheSettings = KeysCacheSettings()
    prewarm: PrewarmSettings = PrewarmSettings()
    tier_timeout_seconds: float = Field(
        0.02, gt=0, description="maximum seconds that a lookup waits for Redis or PostgreSQL; a slower one is skipped"
    )
    database: bool = Field(True, description="also store entries in PostgreSQL, as the last level after memory and Redis")
