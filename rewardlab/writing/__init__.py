"""Rewards written in rounds: ask for code, check it, train on it, tell what came of it, ask again."""
