"""Answer a prompt: for each provider of the chain, ask its breaker, hold the price, call, settle, answer (`engine.py`).

`wires/` speak to providers, `chain.py` decides which one is next, `breaker.py` which ones to skip. Knows nothing of our HTTP routes.
"""
