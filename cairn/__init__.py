"""The package that plugins import: `from cairn.client import Client`. It imports nothing of the server, which is `app`."""
