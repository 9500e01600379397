"""What api, mcp and dashboard share: the principal behind a key, the error table, request ids, body limits. Knows no route."""
