"""Knowledge: what a team's sessions taught, each item with citations. Read `items_projection.py` and `search.py` first."""
