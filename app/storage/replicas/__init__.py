"""Read replicas: what may be a moment old is read there, but nobody reads from before their own last write. Knows no table.

`read_session.py` is what a request may read where, and for whom; `positions.py` remembers how far each one's writes reach; `primary.py`
and `standby.py` are the two kinds of server; `replicated.py` puts them together as a `Database`.
"""
