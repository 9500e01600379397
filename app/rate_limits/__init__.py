"""Rate limits per API key and minute: requests, and model tokens. Knows no accounts and no HTTP; money is the budget's."""
