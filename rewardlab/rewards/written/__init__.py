"""Rewards that are given as code, by hand or by a language model."""
