"""Caches: LRU, LFU and W-TinyLFU in memory; memory → Redis → PostgreSQL; one flight for many who ask the same. Knows no domain."""
