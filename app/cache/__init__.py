"""Caches: LRU, LFU and W-TinyLFU in memory; memory → Redis → PostgreSQL. Knows no domain."""
