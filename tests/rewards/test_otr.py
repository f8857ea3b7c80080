"""OTR: what the steps of whole, cut and continued episodes are paid, by cells and loops; and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.contracts.datasets import made_up
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, Script, worlds, write_script
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.rewards.imitation import otr
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.types import Rollout, Transitions

SPEC = worlds()["vector"]


def scheme(**options: object) -> otr.Scheme:
    return otr.Scheme(otr.Config(demos=made_up(SPEC), plugin="otr", **options), new_context(SPEC))


def rollouts(*lengths: int) -> list[Rollout]:
    rng, scripts = np.random.default_rng(0), list[Script]()
    for steps in lengths:
        scripts.append(write_script(rng, SPEC, steps, 4, scripts[-1] if scripts else None))
    return [Renderer(SPEC, seed=1).rollout(script) for script in scripts]


def demonstrated() -> list[np.ndarray]:
    return [shown["vector"][1:].numpy() for shown in DemonstrationFile("", made_up(SPEC), SPEC).read().shown]


def costs_by_loops(own: np.ndarray, shown: np.ndarray, epsilon: float = 0.01, iterations: int = 100) -> np.ndarray:
    """What each step costs, [L]: Sinkhorn's potentials with single rows and columns."""

    def soft(terms: np.ndarray) -> float:
        return float(terms.max() + math.log(np.exp(terms - terms.max()).sum()))

    costs = np.array([[1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for b in shown] for a in own])
    f, g = np.zeros(len(own)), np.zeros(len(shown))
    for _ in range(iterations):
        g = np.array([-math.log(len(shown)) - soft(f - costs[:, j] / epsilon) for j in range(len(shown))])
        f = np.array([-math.log(len(own)) - soft(g - costs[i] / epsilon) for i in range(len(own))])
    plan = np.exp(f[:, None] + g - costs / epsilon)
    return len(own) * (plan * costs).sum(axis=1)


def expected(made: list[Rollout], pay, shown: np.ndarray) -> list[np.ndarray]:
    """Every episode is matched when it ends, or where a rollout cuts it as far as it goes."""
    paid = [np.full((rollout.steps, 4), np.nan) for rollout in made]
    for env in range(4):
        so_far: list[np.ndarray] = []
        for number, rollout in enumerate(made):
            begin = 0
            for t in range(rollout.steps):
                if rollout.first[t, env]:
                    so_far = []
                so_far.append(rollout.next_obs["vector"][t, env].double().numpy())
                if rollout.done[t, env] or t == rollout.steps - 1:
                    costs = costs_by_loops(np.array(so_far), shown)
                    paid[number][begin : t + 1, env] = pay(costs)[len(so_far) - (t + 1 - begin) :]
                    begin = t + 1
    return paid


@pytest.mark.parametrize(
    ("options", "pay"),
    [
        ({}, lambda costs: 5 * np.exp(-5 * costs) - 5),
        ({"per_dimension": True, "offset": 0.0}, lambda costs: 5 * np.exp(-5 * costs / 4)),
        ({"slope": 1.0, "offset": -2.0, "scale": 3.0}, lambda costs: 3 * np.exp(-costs) - 2),
    ],
)
def test_steps_are_paid_what_their_match_costs(options: dict[str, object], pay) -> None:
    made, played = scheme(**options), rollouts(9, 6)
    for rollout, by_hand in zip(played, expected(played, pay, demonstrated()[0]), strict=True):
        paid = made.compute(rollout).streams
        assert paid["intrinsic"].numpy() == pytest.approx(by_hand, rel=1e-4, abs=1e-5)
        assert torch.equal(paid["task"], rollout.task_reward)
        told = made.update(rollout)
        ends = [rollout.done[:, env].nonzero().flatten().tolist() for env in range(4)]
        cut = sum(rollout.steps - 1 - (found[-1] if found else -1) for found in ends)
        assert told["explore/otr_cut_steps"] == pytest.approx(cut / (4 * rollout.steps))
    assert made.streams[0].coef == 0
    assert "demos" in made.assumes


def test_of_several_demonstrations_the_nearest_pays() -> None:
    (played,) = rollouts(9)
    for env in (0, 3):
        ends = played.done[:, env].nonzero().flatten().tolist()
        assert ends
        own = played.next_obs["vector"][: ends[0] + 1, env].double().numpy()
        costs = [costs_by_loops(own, shown) for shown in demonstrated()]
        best = min(costs, key=lambda each: each.sum())
        paid = scheme(top=3).compute(played).streams["intrinsic"][: ends[0] + 1, env]
        assert paid.numpy() == pytest.approx(5 * np.exp(-5 * best) - 5, rel=1e-4, abs=1e-5)


def test_on_replay_an_episode_is_paid_when_it_has_ended() -> None:
    """All its steps by its whole match, wherever rollouts cut it; meanwhile the sum comes with its last step."""
    made, played, assembler = scheme(at_ends=True), rollouts(9, 6), EpisodeAssembler(4, successors=True)
    assert made.waits_for_ends and made.pays_anew and not made.looks_ahead
    seen = 0
    for rollout in played:
        paid = made.compute(rollout).streams["intrinsic"]
        sums = torch.zeros_like(paid)
        for episode, (end, env) in zip(assembler.add(rollout), rollout.done.nonzero().tolist(), strict=True):
            own = episode.next_obs["vector"].double().numpy()
            by_hand = 5 * np.exp(-5 * costs_by_loops(own, demonstrated()[0])) - 5
            kept = made.of_episode(episode)
            steps = Transitions(episode.obs, episode.action, kept, episode.next_obs)
            assert made.rewards_of(steps)["intrinsic"].numpy() == pytest.approx(by_hand, rel=1e-4, abs=1e-5)
            sums[end, env] = float(by_hand.sum())
            seen += len(episode) > end + 1
        assert torch.allclose(paid, sums, rtol=1e-4)
        assert set(made.update(rollout)) <= set(made.metrics)
    assert seen, "of one that began in an earlier rollout too"


def test_dqn_learns_from_what_whole_episodes_are_paid() -> None:
    """What is in the buffer has been paid by the whole match."""
    options = ["agent.n_step=1", "agent.bonus=replayed", "agent.learning_starts=10", "agent.hidden=[8]", "num_envs=2"]
    line = ["env=empty_5x5", "agent=dqn", "reward=otr", f"reward.demos={made_up(worlds()['grid'])}", "frames=2000"]
    config = compose([*line, "reward.at_ends=true", *options]).config
    parts = build(config)
    learning = make_learning(config, parts)
    while not len(learning._replay):
        learning.iterate(0)
    parts.env.close()
    steps = learning._replay.at(np.arange(len(learning._replay)))
    paid = parts.scheme.rewards_of(steps)["intrinsic"]
    assert len(paid) >= 100 and -5 <= float(paid.min()) < float(paid.max()) <= 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward=otr", ["reward=otr", "reward.demos=DIR"]),
        ("reward=otr reward.demos=nowhere", ["reward.demos=nowhere", "no dataset there"]),
        ("reward=otr reward.demos=DEMOS agent=dqn", ["reward=otr agent=dqn", "reward.at_ends=true", "agent=ppo"]),
        ("reward=otr reward.demos=DEMOS reward.at_ends=true", ["reward=otr", "when their episode has ended"]),
        ("reward=otr reward.demos=DEMOS reward.at_ends=true agent=dqn", ["agent.bonus=replayed agent.n_step=1"]),
        (
            "reward=otr reward.demos=DEMOS reward.at_ends=true reward.transform=[clip:1.0]",
            ["when their episode has ended"],
        ),
        ("reward=otr reward.demos=DEMOS reward.epsilon=0", ["reward.epsilon=0", "greater than 0"]),
    ],
)
def test_what_does_not_work_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = line.replace("DEMOS", made_up(worlds()["grid"]))
    assert main(["run", "env=empty_5x5", *line.split(), f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
    assert not list(tmp_path.iterdir())
