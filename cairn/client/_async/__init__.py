"""The asynchronous face. `_sync` is written from it by `python -m tests.sync_client`; of both, only `runtime.py` is written by hand."""
