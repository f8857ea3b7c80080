"""rewardlab: an experiment runner for sparse-reward reinforcement learning."""

__version__ = "0.1.0"

# Raised whenever a change makes the numbers of any run differ; part of every setting id.
CORE_VERSION = 1
