"""What api, mcp and dashboard share: authentication (the one way in), the error table, request ids, body limits. Knows no route."""
