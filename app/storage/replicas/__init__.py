"""Read replicas: reads that tolerate lag go there, but every requester reads its own writes. Knows no table.

`read_session.py`: a request's consistency state; `positions.py`: the WAL position of each requester's last write; `primary.py` and
`standby.py`: the two kinds of server; `replicated.py`: all of them as one `Database`.
"""
