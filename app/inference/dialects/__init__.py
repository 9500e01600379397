"""Dialects: the formats that callers and providers speak, each read into the typed conversation and answer, and written from them."""
