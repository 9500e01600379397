"""Distils items from ended sessions with a model: off by default, at a team's cost, beside what the rules extract."""
