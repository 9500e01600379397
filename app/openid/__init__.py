"""OpenID Connect: sends a browser to a provider, and tells who came back. Knows no developer, no page and no database."""
