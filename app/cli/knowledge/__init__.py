"""`cairn knowledge`: items as a folder of Markdown files, out of the server and, edited by hand, back into it."""
