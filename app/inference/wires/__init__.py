"""Ways to speak to a provider. Each turns requests and answers into OpenAI's shape and every failure into a `Fault`."""
