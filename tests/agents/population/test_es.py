"""Evolution strategies: the step by closed forms and recomputed, whose turn it is, what enters the archive."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab import load
from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.facts import POSITION
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.environments import make_level_env
from rewardlab.training.lives import Player
from rewardlab.types import Lives

SMALL = ["env=pointplane", "agent.hidden=[2]"]


def agent_of(*overrides: str) -> Any:
    return build(compose([*SMALL, *overrides]).config).agent


def lives_of(values: Any, places: Any = None) -> Lives:
    """One level; places [P, 2]."""
    returns = np.asarray(values, dtype=float)[:, None]
    outcome = {} if places is None else {"places": np.asarray(places, dtype=float)[:, None, None]}
    return Lives(returns, np.ones(returns.shape, dtype=int), returns > 0, outcome)


def test_a_first_step_is_the_learning_rate_along_the_signs_of_a_linear_return() -> None:
    agent = agent_of("agent=es", "agent.population=8000", "agent.l2=0", "agent.lr=0.3")
    genomes = agent.ask(0.0)
    theta = genomes[:2].mean(axis=0)
    assert np.allclose(genomes[0::2] + genomes[1::2], 2 * theta, atol=1e-6)
    assert (genomes[0::2] - theta).std() == pytest.approx(0.2, rel=0.02)
    slope = np.where(np.arange(agent.genome.size) % 3, 1.0, -1.0)
    agent.tell(genomes, lives_of(genomes @ slope))
    assert np.allclose(agent.champion, theta + 0.3 * slope, atol=1e-5)
    assert np.array_equal(agent.contenders, agent.champion[None])


def test_equal_returns_move_nothing_but_what_is_taken_from_theta() -> None:
    for l2 in (0.0, 0.005):
        agent = agent_of("agent=es", "agent.population=20", f"agent.l2={l2}")
        genomes = agent.ask(0.0)
        theta = (genomes[0] + genomes[1]) / 2
        agent.tell(genomes, lives_of(np.zeros(20)))
        there = np.abs(theta) > 1e-4  # biases begin at 0
        assert np.allclose(agent.champion[there], (theta - 0.1 * (l2 > 0) * np.sign(theta))[there], atol=1e-4)


def test_steps_are_those_of_the_formula_and_of_torchs_adam() -> None:
    agent = agent_of("agent=es", "agent.population=6", "agent.sigma=0.5", "agent.lr=0.02")
    rng = np.random.default_rng(1)
    weights: Any = None
    for told in (6, 6, 2, 5, 6):  # of the third too few have lived, of the fourth one without its twin
        genomes = agent.ask(0.0)
        if weights is None:
            weights = torch.nn.Parameter(torch.from_numpy((genomes[0] + genomes[1]) / 2))
            adam = torch.optim.Adam([weights], lr=0.02)
        values = rng.integers(0, 3, 6)[:told]
        agent.tell(genomes[:told], lives_of(values))
        if told > 2:
            pairs = told // 2
            used = values[: 2 * pairs]
            rank = [(sum(used < v) + (sum(used == v) - 1) / 2) / (2 * pairs - 1) - 0.5 for v in used]
            gradient = np.zeros(agent.genome.size)
            for i in range(pairs):
                noise = (genomes[2 * i] - genomes[2 * i + 1]) / (2 * 0.5)
                gradient += (rank[2 * i] - rank[2 * i + 1]) * noise / (2 * pairs)
            weights.grad = torch.from_numpy(-gradient).float() + 0.005 * weights.detach()
            adam.step()
        assert np.allclose(agent.champion, weights.detach().numpy(), atol=2e-5)
        assert len(agent.contenders) == (told > 2)
        agent.contenders = agent.contenders[:0]


@pytest.mark.parametrize("agent", ["ns_es", "nsr_es"])
def test_novelty_is_that_of_the_archive_of_thetas_alone(agent: str) -> None:
    setting = ["agent.population=8", "agent.parents=3", "agent.neighbours=2", "agent.validation=2", "agent.l2=0"]
    found, rng = agent_of(f"agent={agent}", *setting), np.random.default_rng(2)
    first = found.ask(0.0)
    assert np.array_equal(first[0::2], first[1::2]) and len(np.unique(first, axis=0)) == 3
    ends = rng.uniform(-1, 1, (6, 2))
    found.tell(first, lives_of(np.arange(6), ends))
    assert np.array_equal(found.champion, first[4]) and not len(found.contenders)
    archive = list(ends.reshape(3, 2, 2).mean(axis=1))
    thetas, returns = first[0::2].copy(), [0.5, 2.5, 4.5]
    for _ in range(6):
        genomes = found.ask(0.0)
        turn = int(np.abs(thetas - (genomes[0] + genomes[1]) / 2).sum(axis=1).argmin())
        noise, values, ends = found._noise.copy(), rng.random(8), rng.uniform(-1, 1, (8, 2))
        told = found.tell(genomes, lives_of(values, ends))
        novel = np.array([np.mean(sorted(np.hypot(*(end - other)) / 2 for other in archive)[:2]) for end in ends])
        assert told["explore/novelty"] == pytest.approx(novel.mean()) and told["explore/archive"] == len(archive)
        ranks = [novel.argsort().argsort()] + ([values.argsort().argsort()] if agent == "nsr_es" else [])
        mean = np.mean(ranks, axis=0) / 7 - 0.5
        direction = (mean[0::2] - mean[1::2]) @ noise
        moved = found.contenders[0] - thetas[turn]
        clear = np.abs(direction) > 0.05
        if found._parents[turn].adam._steps == 1:
            assert np.array_equal(np.sign(moved[clear]), np.sign(direction[clear]))
        assert len(found.contenders) == 2 and found.validation == 1
        thetas[turn] = found.contenders[0]
        again, paid = rng.uniform(-1, 1, (2, 2)), rng.random(2) * 5
        found.crown(lives_of(paid, again))
        archive.append(again.mean(axis=0))
        returns[turn] = paid.mean()
        assert np.array_equal(found.champion, thetas[int(np.argmax(returns))])
        kept = found.collection()
        assert np.array_equal(kept["genomes"], thetas) and kept["returns"] == pytest.approx(returns)
        assert kept["descriptors"][turn] == pytest.approx((archive[-1] + 1) / 2)


def test_turns_are_drawn_by_novelty() -> None:
    """Places 0, 1 and 3 of a line have the novelties 2, 1.5 and 2.5 (k=2), each theta's own place left out."""
    agent = agent_of("agent=ns_es", "agent.parents=3", "agent.neighbours=2")
    for ends, chances in (([0, 1, 3], [1 / 3, 1 / 4, 5 / 12]), ([1, 1, 1], [1 / 3, 1 / 3, 1 / 3])):
        agent._archive.outcomes = {}
        agent._noise = agent._noise[:0]
        agent.tell(agent.ask(0.0), lives_of(np.zeros(3), np.outer(ends, [0.1, 0.0])))
        drawn = np.bincount([agent._next() for _ in range(6000)], minlength=3) / 6000
        assert drawn == pytest.approx(chances, abs=0.025)


def playing(*overrides: str) -> Any:
    """The parts of a run with a running scale, and what plays its lives."""
    config = compose([*SMALL, "agent=es", "agent.normalise=running", *overrides]).config
    parts: Any = build(config)
    return parts, Player(make_level_env(config, (POSITION,)), parts.agent, parts.env.spec)


def test_running_scale_is_that_of_all_that_was_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale changes between generations only."""
    parts, player = playing("agent.population=4", "agent.episodes=2")
    agent: Any = parts.agent
    seen: list[np.ndarray] = []
    scale = type(agent.genome).inputs

    def noted(self: Any, obs: Any) -> Any:
        seen.append(self.flat(obs).copy())
        return scale(self, obs)

    monkeypatch.setattr(type(agent.genome), "inputs", noted)
    acted: list[np.ndarray] = []
    for generation in range(3):
        before = agent.genome.mean.copy(), agent.genome.std.copy()
        genomes = agent.ask(0.0)
        if generation == 0:
            assert not agent.genome.mean.any() and (agent.genome.std == 1).all()
        else:
            everything = np.concatenate(acted)
            assert agent.genome.mean == pytest.approx(everything.mean(axis=0), abs=1e-5)
            assert agent.genome.std == pytest.approx(np.maximum(everything.std(axis=0), 0.1), rel=1e-5)
            assert not np.array_equal(before[0], agent.genome.mean)
        held = agent.genome.mean.copy()
        seen.clear()
        lives, _ = player.play(genomes, [1, 2], np.arange(8, dtype=np.uint64).reshape(4, 2))
        for lane, length in enumerate(lives.length.ravel()):
            acted.append(np.stack([step[lane] for step in seen[:length]]).astype(float))
        agent.tell(genomes, lives)
        assert np.array_equal(held, agent.genome.mean)
        agent.contenders = agent.contenders[:0]
    far = {"vector": np.array([[1e6, -1e6]], dtype=np.float32)}
    assert scale(agent.genome, far).tolist() == [[5.0, -5.0]]


def test_lanes_change_no_sums() -> None:
    parts, player = playing()
    agent: Any = parts.agent
    genomes, found = agent.ask(0.0)[:6], []
    for lanes in (4096, 4):
        agent.lanes = lanes
        found.append(player.play(genomes, [3, 4], np.arange(12, dtype=np.uint64).reshape(6, 2))[0].outcome["sums"])
    assert np.array_equal(*found) and found[0].shape == (6, 2, 2, 2)


def test_it_learns_a_small_grid(tmp_path: Path) -> None:
    setting = ["env=empty_5x5", "agent=es", "frames=600_000", "eval.every=600_000", "eval.episodes=20"]
    assert run(compose([*setting, f"results_dir={tmp_path}"])) == 0
    returns = load(tmp_path).evaluations["return_mean"]
    assert returns.iloc[-1] > 0.8 > 0.4 > returns.iloc[0]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["agent=es", "agent.population=7"], "population=7: must be even, for there are pairs"),
        (["agent=es", "agent.parents=2"], "parents=2: needs criterion=novelty or both"),
        (["agent=es", "agent.validation=0"], "validation=0: must be greater than 0"),
        (["agent=ns_es", "env=doorkey_5x5"], "needs the same levels in each; set env.levels=K"),
        (["agent=nsr_es", "env=deepsea"], "does not tell where the agent is"),
        (["agent=ga_ns", "env=doorkey_5x5"], "needs the same levels in each; set env.levels=K"),
        (["agent=es", "agent.criterion=novel"], "did you mean novelty?"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    env = [] if any(item.startswith("env=") for item in overrides) else ["env=pointplane"]
    assert main(["run", *env, *overrides, f"results_dir={tmp_path}"]) != 0
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
