"""HTTP routes and their schemas: each translates a request to one call of a room, and back. Knows no logic and no database."""
