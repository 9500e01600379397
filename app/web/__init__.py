"""Shared by api, mcp and dashboard: authentication (the one way in), the error table, request ids, body limits. Knows no route."""
