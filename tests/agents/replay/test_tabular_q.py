"""Q-learning on a table: one minibatch by hand, ties, and a sea that only optimism dives."""

from pathlib import Path

import pytest
import torch

from rewardlab.agents.replay.tabular_q import Agent, Config
from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.envs.arrays import bitflip, deepsea
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.types import StreamSpec, Transitions

TASK = (StreamSpec("task", 0.97),)


def agent(**options) -> Agent:
    spec = deepsea.make(deepsea.Config(n=3), Levels(1)).spec
    return Agent(Config(**options), new_context(spec), TASK)


def cells(*numbers: int) -> dict[str, torch.Tensor]:
    return {"cell": torch.tensor(numbers)[:, None]}


def test_a_minibatch_by_hand() -> None:
    learner = agent(initial=1.0, learning_rate=0.5)
    batch = Transitions(
        cells(0, 4, 4),
        torch.tensor([1, 0, 0]),
        {"reward": torch.tensor([-0.1, 0.5, 0.1]), "discount": torch.tensor([0.9, 0.0, 0.0])},
        cells(4, 9, 9),
    )
    _, misjudged = learner.update_batch(batch)
    assert misjudged.tolist() == pytest.approx([0.2, 0.5, 0.9])
    table = learner.policy_state_dict()["table"]
    assert table[0].tolist() == pytest.approx([1.0, 1.0 + 0.5 * (-0.1 + 0.9 * 1.0 - 1.0)])
    assert table[4].tolist() == pytest.approx([1.0 + 0.5 * (0.5 + 0.1 - 2.0) / 2, 1.0])
    assert table.sum() == pytest.approx(20 - 0.1 - 0.35)


def test_ties_are_broken_at_random_in_training_and_the_best_is_taken_otherwise() -> None:
    learner, rng = agent(), torch.Generator().manual_seed(0)
    first = torch.zeros(400, dtype=torch.bool)
    same = {"cell": torch.zeros(400, 1, dtype=torch.int64)}
    assert 150 < int(learner.act(same, None, first, "explore", rng).action.sum()) < 250
    learner.load_policy_state_dict({"table": torch.tensor([[0.0, 1.0]] * 10)})
    for mode in ("explore", "sample", "greedy"):
        assert bool((learner.act(same, None, first, mode, rng).action == 1).all())


def test_an_environment_without_a_table_is_refused() -> None:
    spec = bitflip.make(bitflip.Config(n=4), Levels(1)).spec
    with pytest.raises(UserError, match=r"^agent=tabular_q: needs a table of states \(cell\), which BitFlip-4 has not"):
        Agent(Config(), new_context(spec), TASK)


def test_optimism_finds_the_treasure(tmp_path: Path) -> None:
    """8 moves of 8: random play would take 256 episodes on average to see it once; 120 episodes, and it is kept."""
    prepared = compose(
        ["env=deepsea", "env.n=8", "agent=tabular_q", "reward=none", "num_envs=1", "frames=960", "eval.every=960",
         "eval.episodes=5", "agent.rollout_steps=1", "agent.batch_size=64", "agent.samples_per_step=64",
         f"results_dir={tmp_path}"]
    )  # fmt: skip
    assert run(prepared) == 0
    assert '"final_success": 1.0' in (prepared.folder / "summary.json").read_text()
