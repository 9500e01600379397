"""The synchronous face, written from `_async` by `python -m tests.sync_client`: change that one."""
