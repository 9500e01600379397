"""The money ledger: holds before a model is called, settlements after, limits that can't be passed. See `ledger.py`."""
