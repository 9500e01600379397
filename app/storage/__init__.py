"""Storage: PostgreSQL, the vector store and the servers embedded in Cairn. Knows no domain."""
