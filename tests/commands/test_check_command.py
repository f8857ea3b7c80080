"""`rewardlab check` of what counts states: how many keys random play has in the environment that was named."""

from collections.abc import Callable

import pytest


def test_a_line_says_how_many_keys_random_play_has(rewardlab: Callable) -> None:
    answer = rewardlab("check", "reward=count", "reward.key=simhash", "env=gym", "env.id=MountainCar-v0")
    (line,) = [line for line in answer.out.splitlines() if "distinct keys" in line]
    assert answer.code == 0 and "random play on MountainCar-v0" in line and "warning" not in line


def test_nothing_is_said_without_an_environment(rewardlab: Callable) -> None:
    assert "distinct keys" not in rewardlab("check", "reward=count").out


def test_a_scheme_that_does_not_fit_the_environment_is_refused(rewardlab: Callable) -> None:
    answer = rewardlab("check", "reward=count", "env=gym", "env.id=CartPole-v1")
    assert (answer.code, answer.out) == (2, "") and answer.err.strip().endswith("set key=simhash")


@pytest.mark.parametrize("scheme", ["count", "noveld", "ride", "agac"])
def test_what_a_refusal_recommends_runs(rewardlab: Callable, scheme: str) -> None:
    line = ["env=gym", "env.id=CartPole-v1", f"reward={scheme}", "num_envs=2", "frames=400", "eval.episodes=1"]
    refused = rewardlab("run", *line)
    assert refused.code == 2
    recommended = refused.err.strip().rsplit("set ", 1)[1]
    done = rewardlab("run", *line, f"reward.{recommended}")
    assert done.code == 0, done.err
