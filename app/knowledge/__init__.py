"""Knowledge: transcripts in, what the team learnt out, with a citation. The hallways are `intake.py` and `search.py`."""
