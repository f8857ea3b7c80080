"""A scheme's losses reach an agent that can take them, and are refused before a run begins otherwise."""

import pytest

from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.training.build import build

WORLD = ["env=empty_5x5", "num_envs=2", "frames=1000", "reward.updates=1"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["agent=random", "reward=rapid"], "agent=random: can't learn from the loss that reward=rapid hands to it"),
        (["agent.memory=gru", "reward=sil"], r"agent\.memory=gru: can't take the loss sil on single steps; use none"),
    ],
)
def test_an_agent_that_cannot_take_a_loss_is_refused_in_one_line(choices, message, tmp_path):
    config = compose([*choices, *WORLD, f"results_dir={tmp_path}"]).config
    with pytest.raises(UserError, match=message) as refusal:
        build(config)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("reward", ["rapid", "sil"])
def test_ppo_takes_them(reward, tmp_path):
    parts = build(compose([f"reward={reward}", *WORLD, f"results_dir={tmp_path}"]).config)
    assert f"loss/{reward}" in parts.agent.metrics
    parts.env.close()
