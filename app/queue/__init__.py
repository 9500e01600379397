"""Durable jobs in PostgreSQL and the worker that runs them, messages between agents, and the outbox of webhook notices."""
