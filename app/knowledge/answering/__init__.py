"""Answers of a few sentences, each with a citation, composed of search results. Extractive unless a model may write."""
