"""PPO reaches a score on tasks that take seconds, through every kind of observation and action."""

import pytest

from rewardlab.types import StreamSpec


@pytest.mark.parametrize(
    ("shown", "options"),
    [
        ("vector", {}),
        ("vector", {"shared": [32], "normalise_advantages": False, "value_clip": 0.2}),
        ("mission", {}),
        ("image", {"encoding": "raw"}),
        ("image", {"encoding": "onehot", "learning_rate": 1e-3}),  # an Adam step moves all 147 of its rows
        ("image", {"network": "cnn"}),
    ],
    ids=["vector", "plain", "mission", "raw", "onehot", "cnn"],
)
def test_identity(worlds, learning, shown, options):
    bandit = {"specs": (StreamSpec("task", gamma=0.0),), "learning_rate": 3e-3, "advantage_std_floor": 0.3}
    world = learning(worlds["identity"](8, shown), **bandit | options)
    assert world.learn(60) > 0.9  # a guess pays 0.25


def test_a_picture_is_read(worlds, learning):
    """Where the square lies decides; nobody says that there is a picture, and the network is not asked for."""
    options = {"learning_rate": 1e-3, "advantage_std_floor": 0.3, "epochs": 4, "hidden": None}
    world = learning(worlds["identity"](16, "picture"), specs=(StreamSpec("task", gamma=0.0),), **options)
    assert world.learn(12) > 0.9  # a guess pays 0.25


def test_continuous_identity(worlds, learning):
    world = learning(worlds["continuous"](8), learning_rate=5e-3, entropy_coef=0.0)
    before = float(world.collect().task_reward.mean())
    assert before < -0.8
    assert world.learn(100) > -0.2


def test_memory_is_used(worlds, learning):
    options = {"learning_rate": 5e-3, "hidden": [32], "memory_size": 16}
    # One step in two pays: 0.5 is perfect, 0.125 a guess.
    assert learning(worlds["recall"](8), memory="gru", **options).learn(60) > 0.45
    assert learning(worlds["recall"](8), memory="none", **options).learn(60) < 0.2
