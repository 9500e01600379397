"""Provider clients. Each translates requests and answers from and to OpenAI's format, and every failure into a `ProviderError`."""
