"""How much a key may ask for within a minute: requests, and tokens of models. Knows no accounts and no HTTP; money is the budget's."""
