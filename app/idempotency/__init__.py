"""Requests that are carried out once, however often they are sent: idempotency keys. Knows no HTTP and no operation."""
