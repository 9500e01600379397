"""`cairn watch`: follows the transcripts that agents without hooks write. Standard library and watchfiles only, at run time."""
