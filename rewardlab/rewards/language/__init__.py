"""Rewards that a language model judges, or a goal in words or pictures."""
