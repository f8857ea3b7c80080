"""Runs and sweeps that are killed, starved and crowded, and must come out as if nothing had happened.

`python -m tests.torture` does all of it and prints the figures; the suite does a share.
"""
