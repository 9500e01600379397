"""An answer of a few sentences, each with its citation, made of what search found. Nothing is written here: every word was said."""
