"""Read replicas: what may be a moment old is read there, but nobody reads from before their own last write. Knows no table.

`asker.py` is what a request knows of who asks; `positions.py` remembers how far each one's writes reach; `primary.py` and `standby.py` are
the two kinds of server; `replicated.py` puts them together as a `Database`.
"""
