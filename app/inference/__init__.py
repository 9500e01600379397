"""A prompt goes through: prompt → for each provider of the chain: breaker → hold → call → settle → answer (`engine.py`).

`wires/` speak to providers, `chain.py` decides who is next, `breaker.py` who is left alone. Knows no HTTP of ours.
"""
