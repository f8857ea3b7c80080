"""Rewards that a language model judges while a run trains."""
