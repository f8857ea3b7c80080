"""How many keys random play has in tasks that people really run."""

import pytest

from rewardlab.config.composition import compose
from rewardlab.contracts.telling_apart import ToldApart, told_apart

SIMHASH = ("reward=count", "reward.key=simhash", "env=gym")


def told(*overrides: str) -> ToldApart:
    (found,) = told_apart(compose(overrides).config)
    return found


@pytest.mark.parametrize(
    "env", ["MountainCar-v0", "MountainCarContinuous-v0", "CartPole-v1", "Acrobot-v1", "Pendulum-v1"]
)
def test_simhash_tells_states_of_control_tasks_apart(env: str) -> None:
    found = told(*SIMHASH, f"env.id={env}")
    assert (found.scheme, found.kind, found.env) == ("count", "simhash", env)
    assert 10_000 <= found.steps < 11_000 and 200 < found.distinct < found.steps / 2
    assert "warning" not in found.line
    assert found == told(*SIMHASH, f"env.id={env}")  # the same in any process: all of it follows from the seed


def test_another_seed_has_other_codes_and_about_as_many() -> None:
    one, other = (told(*SIMHASH, "env.id=CartPole-v1", f"seed={seed}").distinct for seed in (0, 1))
    assert one != other and 0.4 < one / other < 2.5


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (2, "warning: fewer than 20: unless the task has so few states, raise bits, counts tell little"),
        (1024, "warning: nearly every step has a key of its own, so that nothing is counted twice: lower bits"),
    ],
)
def test_keys_that_tell_little_are_warned_about(bits: int, said: str) -> None:
    assert told(*SIMHASH, f"reward.bits={bits}", "env.id=Acrobot-v1", "num_envs=16").line.endswith(said)


def test_every_scheme_of_a_mix_that_counts_is_told() -> None:
    found = told("reward=mix", "reward.schemes.count.key=simhash", "env=gym", "env.id=CartPole-v1")
    assert (found.scheme, found.kind) == ("count", "simhash") and found.distinct > 200


@pytest.mark.parametrize("key", ["view", "state"])
def test_other_keys_are_told_too(key: str) -> None:
    found = told("reward=noveld", f"reward.key={key}", "env=empty_5x5")
    assert (found.scheme, found.kind) == ("noveld", key) and found.distinct > 20


def test_nothing_is_told_of_what_counts_nothing() -> None:
    assert told_apart(compose(["reward=rnd", "env=empty_5x5"]).config) == []
