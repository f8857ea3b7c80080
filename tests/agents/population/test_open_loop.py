"""CMA-ES on returns, and oscillators as individuals: in lives, in evaluations, in a swimmer."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.facts import POSITION
from rewardlab.maths.cma_es import CmaEs
from rewardlab.run import run
from rewardlab.trained import learners
from rewardlab.training.build import build
from rewardlab.training.environments import evaluation_levels, make_level_env
from rewardlab.training.evaluate import Evaluator
from rewardlab.training.lives import Player
from rewardlab.types import Lives

SWINGING = 0.07 / (2 * np.pi) / 0.01  # turns a second of 0.01 a step that get the car up from everywhere


def agent_of(*overrides: str) -> Any:
    return build(compose(list(overrides)).config).agent


def told(agent: Any, genomes: Any, returns: Any) -> dict[str, float]:
    paid = np.asarray(returns, dtype=np.float64)[:, None]
    found: dict[str, float] = agent.tell(genomes, Lives(paid, np.ones(paid.shape, dtype=int), paid > 0))
    return found


def test_it_learns_from_the_better_half() -> None:
    agent = agent_of("env=pointplane", "agent=open_loop", "agent.population=9", "agent.sigma=0.4")
    by_hand, target = CmaEs(np.zeros(7), 0.4), np.linspace(-1, 1, 7)
    for _ in range(120):
        genomes = agent.ask(0.0)
        returns = -((genomes - target) ** 2).sum(axis=1)
        found = told(agent, genomes, returns)
        by_hand.tell(genomes[np.argsort(-returns)[:4]].astype(np.float64))
        assert np.array_equal(agent._es.mean, by_hand.mean) and found["explore/sigma"] == by_hand.sigma
    assert np.abs(by_hand.mean - target).max() < 0.05 and found["explore/restarts"] == 0
    assert np.abs(agent.champion - target).max() < 0.1


def test_it_begins_anew_where_it_stops() -> None:
    agent = agent_of("env=pointplane", "agent=cma_es", "agent.hidden=[2]")
    assert len(agent.ask(0.0)) == 4 + int(3 * np.log(agent.genome.size))
    genomes = agent.ask(0.0)
    told(agent, genomes, np.arange(len(genomes)))
    assert agent._es.generation == 1
    assert told(agent, agent.ask(0.0), np.zeros(len(genomes)))["explore/restarts"] == 1  # all alike
    assert agent._es.generation == 0 and not agent._es.mean.any() and agent._es.sigma == 0.5
    assert told(agent, agent.ask(0.0)[:1], [3.0])["explore/restarts"] == 1  # one alone is not
    agent._es.sigma = 1e-12
    assert told(agent, agent.ask(0.0), np.arange(len(genomes)))["explore/restarts"] == 2  # a point


def test_large_networks_learn_variances_alone() -> None:
    for hidden, dimensions in ((50, 2), (70, 1)):
        agent = agent_of("env=pointplane", "agent=cma_es", f"agent.hidden=[{hidden}]")
        assert (agent.genome.size > 300) == (dimensions == 1) and agent._es.covariance.ndim == dimensions


def test_an_evaluation_plays_what_lives_do() -> None:
    """150 episodes in 100 environments: phases begin anew with an episode, also the second in an environment."""
    config = compose(["env=mountaincar", "agent=open_loop", "agent.dt=0.01", "eval.episodes=150"]).config
    parts = build(config)
    agent: Any = parts.agent
    agent.champion = np.array([SWINGING / 2 - 0.5, SWINGING / 2 - 0.4, 1.0, 0.0], np.float32)
    evaluator = Evaluator(config, parts.env.spec, None)
    found = evaluator.evaluate(agent, 0, lambda: False)
    assert found is not None
    levels = [level for levels in evaluation_levels(config) for level in levels]
    lives, _ = Player(make_level_env(config, (POSITION,)), agent, parts.env.spec).play(
        agent.champion[None], levels, np.zeros((1, 150), dtype=np.uint64)
    )
    assert sorted(found.lengths.tolist()) == sorted(lives.length[0].tolist())
    assert len(set(found.lengths.tolist())) > 5 and found.returns.mean() == lives.task_return.mean() == 1


def test_a_finished_run_acts_with_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = [
        "env=pointplane",
        "agent=open_loop",
        "agent.episodes=1",
        "agent.sigma=0.1",
        "frames=2000",
        "eval.every=1000",
    ]
    prepared = compose([*setting, "eval.episodes=2", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    agent, _ = learners(prepared.folder, prepared.config)
    obs, state = {"vector": torch.zeros(1, 2)}, agent.initial_state(1)
    acts, first = [], torch.ones(1, dtype=torch.bool)
    for step in range(20):
        output = agent.act(obs, state, first if step in (0, 15) else ~first, "greedy", torch.Generator())
        acts.append(output.action)
        state = output.state
    assert not torch.equal(acts[0], acts[5])  # it sees nothing new, and time passes
    assert all(torch.equal(acts[15 + step], acts[step]) for step in range(5))
    assert main(["play", str(prepared.folder), "--episodes", "1"]) == 0
    assert "episode 1: return" in capsys.readouterr().out


@pytest.mark.skipif(find_spec("mujoco") is None, reason="needs mujoco")
def test_a_swimmer_swims_by_a_pd_controller() -> None:
    """Two joints of 0.62 turns a second, the second 0.95 turns ahead; without the controller it does not get far."""
    returns = {}
    for pd in ("agent.pd=none", "agent.pd=joints agent.joints=[1,2] agent.velocities=[6,7]"):
        overrides = ["env=gym", "env.id=Swimmer-v5", "agent=open_loop", "agent.dt=0.04", *pd.split()]
        config = compose(overrides).config
        parts = build(config)
        assert (parts.agent.assumes == {"joint_state"}) == (pd != "agent.pd=none")
        genome = np.array([[0.62 / 2 - 0.5] * 2 + [1, 1, 0, 0, 0.95]], np.float32)
        player = Player(make_level_env(config), parts.agent, parts.env.spec)  # type: ignore[arg-type]
        lives, _ = player.play(genome, [0, 1, 2], np.zeros((1, 3), dtype=np.uint64))
        returns[pd] = lives.task_return[0]
        assert (lives.length == 1000).all()
    without, followed = returns.values()
    assert ((followed > 345) & (followed < 354)).all()
    assert ((without > 24) & (without < 33)).all()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["env=empty_5x5"],
            "agent=open_loop: oscillators need continuous actions with bounds, on MiniGrid-Empty-5x5-v0",
        ),
        (["agent.pd=joints", "agent.joints=[0]"], "joints=[0]: one place in vector for each of the 2 actions"),
        (["agent.joints=[0,1]"], "joints, velocities: only with pd=joints"),
        (["agent=cma_es", "agent.pd=joints"], "pd=joints: only with policy=oscillator"),
        (["agent.population=1"], "population=1: must be 2 or more, or 0"),
        (["agent.dt=0"], "dt=0.0: must be greater than 0"),
        (["env.noise=-1"], "env.noise=-1.0: must be at least 0"),
    ],
)
def test_what_does_not_fit_oscillators_is_refused(
    overrides: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = {"env": "pointplane", "agent": "open_loop"} | dict(text.split("=", 1) for text in overrides)
    given = [f"{key}={value}" for key, value in choices.items()]
    assert main(["run", *given, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
