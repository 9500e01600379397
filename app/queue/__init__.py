"""Queue: durable jobs in PostgreSQL, the worker that runs them, and messages between agents."""
