"""Analysis of sessions as they happen: what a prompt wants, what each step did, where an agent goes in circles, which rules it kept.

Derived from the journal alone, without a model. Knows nothing of knowledge, budgets or HTTP.
"""
