"""PPO where actions are a box: in its units, of a bounded spread, at the scale of what is observed and paid."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from rewardlab.agents.on_policy.aux_steps import aux_steps
from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.maths.boxes import units
from rewardlab.networks.box_policy import NARROWEST, WIDEST
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.on_policy import Learning as OnPolicy
from rewardlab.training.recorder import Recording
from rewardlab.types import Signals, Transitions

PENDULUM = ["env=gym", "env.id=Pendulum-v1", "num_envs=4", "frames=1024", "agent.rollout_steps=64", "eval.episodes=2"]
BOX = (-1.0, 1.0)


def box_world(base, bounds=((-1.0, 1.0), (-1.0, 1.0)), pays=1.0, shows=1.0):
    """The continuous identity with other bounds, paid and shown in other units; None where a bound is missing."""

    class World(base):
        def actions(self):
            low = tuple(-np.inf if low is None else low for low, _ in bounds)
            high = tuple(np.inf if high is None else high for _, high in bounds)
            return replace(super().actions(), low=low, high=high)

        def judge(self, action):
            middle, reach = units(self.spec.action.low, self.spec.action.high)
            return pays * super().judge((action.clip(self.spec.action.low, self.spec.action.high) - middle) / reach)

        def show(self):
            return {name: (shows * entry).astype(np.float32) for name, entry in super().show().items()}

    return World(8)


@pytest.fixture
def make(worlds, learning):
    def build(bounds=(BOX, BOX), pays=1.0, shows=1.0, **options):
        world = box_world(worlds["continuous"], bounds, pays, shows)
        return learning(world, **{"learning_rate": 5e-3, "entropy_coef": 0.0} | options)

    return build


def train(world, rollouts, paid=True):
    """Mean rewards of the rollouts."""
    found = []
    for _ in range(rollouts):
        rollout = world.collect()
        reward = rollout.task_reward if paid else torch.zeros_like(rollout.task_reward)
        world.agent.update(rollout, Signals({"task": reward}), 0.0)
        found.append(float(rollout.task_reward.mean()))
    return found


def spread(world):
    """Standard deviations of the policy's actions, [A], in the environment's units."""
    return world.collect(1).dist["log_std"].exp()[0, 0].tolist()


@pytest.mark.parametrize("memory", ["none", "gru"])
@pytest.mark.parametrize("entropy_coef", [1.0, 0.01])
def test_without_a_reward_the_spread_stays_within_the_box(make, memory, entropy_coef):
    world = make(((-10.0, 10.0), (0.0, None)), memory=memory, memory_size=8, entropy_coef=entropy_coef)
    train(world, 60, paid=False)
    assert spread(world) == pytest.approx([10.0 * WIDEST, WIDEST])


def test_a_policy_that_narrows_stays_awake_and_can_widen_again(make):
    world = make(entropy_coef=0.0)

    class Narrow:
        name = "narrow"

        def __init__(self, sign):
            self.sign = sign

        def batches(self):
            steps = world.collect()
            obs = {name: entry.flatten(0, 1) for name, entry in steps.obs.items()}
            yield from [Transitions(obs, steps.action.flatten(0, 1))] * 900

        def loss(self, batch, judgement):
            return self.sign * judgement.entropy.mean()

    for sign, expected in ((1.0, NARROWEST), (-1.0, WIDEST)):
        aux_steps(Narrow(sign), world.agent.network, world.agent.optimiser, 0.5, 1.0)
        assert spread(world) == pytest.approx([expected] * 2)


@pytest.mark.parametrize("bounds", [(-1024.0, 1024.0), (-1000.0, 1000.0), (3.0, 3.5)])
def test_a_box_is_learned_whatever_its_bounds(make, bounds):
    known, scaled = train(make(), 80), train(make((bounds, bounds)), 80)
    assert known[0] < -0.8 and np.mean(known[-8:]) > -0.25
    assert scaled == pytest.approx(known, rel=0.02, abs=0.01)  # but for rounding


def test_what_is_paid_and_shown_may_be_in_any_units(make):
    for options in ({"pays": 1000.0}, {"shows": 0.01}, {"shows": 300.0}):
        found = np.array(train(make(**options), 80)) / options.get("pays", 1.0)
        assert found[0] < -0.8 and found[-8:].mean() > -0.3, options


def test_dimensions_without_two_bounds_are_as_they_are(make):
    world = make(((2.0, None), (None, None)))
    dist = world.collect(1).dist
    assert dist["mean"].abs().max() < 0.1
    assert dist["log_std"].abs().max() == 0.0
    mixed = make(((2.0, 6.0), (None, 9.0))).collect(1).dist
    assert mixed["mean"][0].mean(dim=0).tolist() == pytest.approx([4.0, 0.0], abs=0.1)
    assert mixed["log_std"][0, 0].exp().tolist() == pytest.approx([2.0, 1.0])


@pytest.mark.parametrize("bounds", [(5.0, 5.0), (-3e38, 3e38)])
def test_bounds_that_leave_nothing_or_everything_are_finite(make, bounds):
    world = make((bounds, BOX))
    train(world, 2)
    rollout = world.collect()
    assert rollout.action.isfinite().all() and rollout.log_prob.isfinite().all()


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_unchanged_weights_give_the_acting_log_probs_on_boxes(make, memory):
    world = make(((-1000.0, 1000.0), (2.0, 5.0)), memory=memory, memory_size=8, epochs=1, minibatch_size=10_000)
    for _ in range(3):  # each after another scale of what is observed
        rollout = world.collect()
        metrics = world.agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0)
        assert metrics["loss/approx_kl"] == pytest.approx(0.0, abs=1e-6)
        assert metrics["loss/clip_fraction"] == 0.0


def test_log_probabilities_are_densities_in_the_units_of_the_environment(make):
    rollout = make(((-1000.0, 1000.0), (2.0, 5.0))).collect()
    mean, std = (rollout.dist[name].double().numpy() for name in ("mean", "log_std"))
    std = np.exp(std)
    action = rollout.action.double().numpy()
    expected = (-0.5 * ((action - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)).sum(axis=-1)
    assert rollout.log_prob.numpy() == pytest.approx(expected, rel=1e-4)
    assert 500 < action[..., 0].std() < 2000 and 0.75 < action[..., 1].std() < 3


def test_cloning_meets_targets_in_the_units_of_the_environment(make):
    world = make(((-1000.0, 1000.0), (2.0, 5.0)))

    class Clone:
        name = "clone"

        def batches(self):
            rng = np.random.default_rng(0)
            for _ in range(300):
                wanted = rng.uniform(-1, 1, size=(64, 2))
                obs = torch.from_numpy(np.concatenate([wanted, 0 * wanted], axis=1)).float()
                yield Transitions({"vector": obs}, torch.from_numpy(wanted * [1000.0, 1.5] + [0.0, 3.5]).float())

        def loss(self, batch, judgement):
            return -judgement.log_prob.mean()

    aux_steps(Clone(), world.agent.network, world.agent.optimiser, 0.5, 1.0)
    rollout = world.collect()
    wanted = rollout.obs["vector"][..., :2] * torch.tensor([1000.0, 1.5]) + torch.tensor([0.0, 3.5])
    assert ((rollout.dist["mean"] - wanted).abs() / torch.tensor([1000.0, 1.5])).mean() < 0.1


def test_an_agent_goes_on_exactly_with_its_scales(make):
    world, twin = make(pays=1000.0, shows=50.0), make(pays=1000.0, shows=50.0)
    train(world, 3)
    twin.agent.load_state_dict(world.agent.state_dict())
    rollout = world.collect()
    metrics = []
    for each in (world, twin):
        each.agent._generator.manual_seed(1)
        metrics.append(each.agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0))
    assert metrics[0] == metrics[1]
    states = [each.agent.state_dict()["network"] for each in (world, twin)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_only_settings_that_may_be_boxes_have_other_ids(monkeypatch):
    from rewardlab.agents.on_policy import ppo

    settings = {
        "gym": ["env=gym", "env.id=Pendulum-v1"],
        "doorkey": ["env=doorkey_5x5"],
        "deepsea": ["env=deepsea"],
        "bitflip": ["env=bitflip"],
        "goalgrid": ["env=goalgrid_fourrooms"],
    }
    now = {name: compose(overrides).setting_id for name, overrides in settings.items()}
    monkeypatch.setattr(ppo.Config, "revision", lambda self, setting: 0)
    before = {name: compose(overrides).setting_id for name, overrides in settings.items()}
    assert [name for name in settings if now[name] != before[name]] == ["gym"]


def test_a_continued_run_on_a_box_has_the_same_numbers(tmp_path, fault):
    whole, broken = (compose([*PENDULUM, "checkpoint.every=256", f"results_dir={tmp_path / n}"]) for n in "ab")
    assert run(whole) == 0
    with fault(OnPolicy, "iterate", 3):
        assert run(broken) == 1
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    policies = [torch.load(one.folder / "policy.pt", weights_only=True) for one in (whole, broken)]
    assert str(policies[0]) == str(policies[1])
    returns = [
        [line.split(",")[4] for line in (one.folder / "eval.csv").read_text().split()] for one in (whole, broken)
    ]
    assert returns[0] == returns[1]


def test_demonstrations_of_a_box_are_cloned(tmp_path):
    """They are executed actions in the environment's units, and are read at a scale of their own."""
    source = compose([*PENDULUM, f"results_dir={tmp_path}"])
    assert run(source) == 0
    assert record([], str(tmp_path / "demos"), Recording(str(source.folder), episodes=4, noise=1.0, keep="all")) == 0
    given = [
        f"agent.demos={tmp_path / 'demos'}",
        "agent.pretrain=bc",
        "agent.pretrain_steps=200",
        "agent.pretrain_learning_rate=0.01",
    ]
    parts = build(compose([*PENDULUM, *given]).config)
    parts.agent.pretrain()
    scale = parts.agent.state_dict()["network"]
    assert scale["standardised.count"] == 800 and scale["standardised.vector_squares"].all()
    returns = build(compose([*PENDULUM, *given]).config).agent._cloning.steps.extra["return"]
    assert parts.agent._scale.divisor == pytest.approx(returns.std(unbiased=False).item(), rel=1e-4)
    # Actions that are uniform in [-2, 2] have a standard deviation of 2 / sqrt(3).
    log_std = scale["box.log_std"]
    assert (2.0 * log_std.exp()).item() == pytest.approx(2.0 / 3**0.5, rel=0.1)
