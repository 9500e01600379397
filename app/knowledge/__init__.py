"""Knowledge: what the team learnt, out of its sessions, with a citation. Read `items_projection.py` and `search.py` first."""
