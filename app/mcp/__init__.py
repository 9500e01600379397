"""The team's knowledge as MCP tools: the same operations as the routes, over streamable HTTP and over stdio."""
