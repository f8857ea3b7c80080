"""One iteration of PPO: what it computes, covers, refuses and remembers."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from one_step import one_step

from rewardlab.agents.on_policy import fused_steps, gradient_steps, ppo
from rewardlab.errors import Diverged, UserError
from rewardlab.maths.gae import gae
from rewardlab.schemas import check
from rewardlab.types import Signals, StreamSpec

TASK = StreamSpec("task", 0.99)
BONUS = StreamSpec("bonus", 0.9, coef=0.5, episodic=False)
MEMORIES = pytest.mark.parametrize("memory", ["none", "gru"])
WHOLE = {"epochs": 1, "minibatch_size": 10_000}  # one gradient step on the weights that acted


@pytest.fixture
def make(worlds, learning):
    def build(num_envs=4, **options):
        return learning(worlds["identity"](num_envs), **{"memory_size": 8} | options)

    return build


def signals(rollout, **streams):
    return Signals({"task": rollout.task_reward} | streams)


def logits(agent, obs):
    """Of memoryless acting on observations [B, ...]."""
    return agent.assess(one_step(obs)).dist["logits"][0]


def weights(world):
    return torch.cat([entry.flatten() for entry in world.agent.policy_state_dict().values()])


@MEMORIES
def test_unchanged_weights_give_the_acting_log_probs(make, memory):
    world = make(memory=memory, **WHOLE, learning_rate=1e-9)
    for _ in range(3):  # later rollouts begin within episodes, from a state that is not zero
        rollout = world.collect()
        metrics = world.agent.update(rollout, signals(rollout), 0.0)
        assert metrics["loss/approx_kl"] == pytest.approx(0.0, abs=1e-9)
        assert metrics["loss/clip_fraction"] == 0.0
    assert rollout.first[1:].any()
    assert memory == "none" or rollout.agent_state0.abs().max() > 0


@MEMORIES
def test_losses_on_unchanged_weights_by_hand(make, memory):
    specs = (StreamSpec("task", gamma=0.0),)
    world = make(memory=memory, specs=specs, **WHOLE, gae_lambda=0.0, normalise_advantages=False)
    rollout = world.collect()
    reward = torch.randn(rollout.action.shape, generator=torch.Generator().manual_seed(0))
    metrics = world.agent.update(rollout, Signals({"task": reward}), 0.0)
    advantage = reward - rollout.values[:-1, :, 0]  # without a future, the return is the reward
    probabilities = rollout.dist["logits"].softmax(-1)
    assert metrics["loss/policy"] == pytest.approx(-advantage.mean().item(), abs=1e-6)
    assert metrics["loss/value"] == pytest.approx(advantage.square().mean().item(), rel=1e-5)
    assert metrics["loss/entropy"] == pytest.approx(-(probabilities * probabilities.log()).sum(-1).mean().item())
    assert metrics["advantage/task_std"] == pytest.approx(advantage.std(unbiased=False).item(), rel=1e-5)
    explained = 1 - advantage.var(unbiased=False) / reward.var(unbiased=False)
    assert metrics["loss/explained_variance"] == pytest.approx(explained.item(), abs=1e-5)


@MEMORIES
@pytest.mark.parametrize(("steps", "num_envs"), [(1, 1), (1, 4), (3, 5), (16, 1), (16, 7)])
def test_rollouts_of_any_shape(make, memory, steps, num_envs):
    world = make(num_envs, memory=memory, minibatch_size=20)
    for _ in range(2):
        rollout = world.collect(steps)
        metrics = world.agent.update(rollout, signals(rollout), 0.0)
        assert set(metrics) <= set(world.agent.metrics)
        assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize(
    "options",
    [
        {"clip": 0.01},
        {"value_clip": 0.05, "clip": 0.05, "normalise_advantages": False},
        {"shared": [16], "hidden": [], "streams": "joint"},
        {"epochs": 3, "minibatch_size": 9, "max_grad_norm": 0.05},
    ],
)
def test_without_autograd_an_update_is_the_same_but_for_rounding(make, options):
    found = []
    for fused in (True, False):
        world = make(specs=(TASK, BONUS), fused=fused, learning_rate=0.1, adam_eps=1e-2, **options)
        for _ in range(2):
            rollout = world.collect()
            metrics = world.agent.update(rollout, signals(rollout, bonus=pays(2, rollout)), 0.0)
        found.append((weights(world), metrics, rollout.log_prob, rollout.values, rollout.action))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=2e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-3, abs=1e-5)
    torch.testing.assert_close(found[0][2:], found[1][2:], rtol=1e-4, atol=2e-5)
    assert world.agent.updates > 2 and metrics["loss/clip_fraction"] > 0


@MEMORIES
@pytest.mark.parametrize("steps", [16, 5, 1])
def test_each_epoch_covers_every_sample_once(make, memory, steps, monkeypatch):
    seen = []
    loss, compiled = gradient_steps.clipped_policy_loss, fused_steps.ppo_loss

    def recording(ratio, advantage, clip):
        seen.append(advantage.flatten())
        return loss(ratio, advantage, clip)

    def recording_compiled(logits, values, place, chosen, action, log_prob, advantage, *others):
        seen.append(torch.from_numpy(advantage[chosen]))
        return compiled(logits, values, place, chosen, action, log_prob, advantage, *others)

    monkeypatch.setattr(gradient_steps, "clipped_policy_loss", recording)
    monkeypatch.setattr(fused_steps, "ppo_loss", recording_compiled)
    world = make(
        memory=memory, epochs=3, minibatch_size=15, gae_lambda=0.0, normalise_advantages=False, learning_rate=1e-9
    )
    rollout = world.collect(steps)
    rollout.values.zero_()
    rollout.final_values.zero_()
    reward = torch.arange(1.0, steps * 4 + 1).view(steps, 4)  # without values and lambda, the advantage
    world.agent.update(rollout, Signals({"task": reward}), 0.0)
    per_epoch = len(seen) // 3
    assert len(seen) == 3 * per_epoch == world.agent.updates
    assert steps < 16 or per_epoch == 4
    orders = [torch.cat(seen[i * per_epoch : (i + 1) * per_epoch]) for i in range(3)]
    for order in orders:
        assert torch.equal(order.sort().values, reward.flatten())
    assert steps == 1 or not torch.equal(orders[0], orders[1])


@MEMORIES
def test_same_seed_same_numbers(make, memory):
    runs = []
    for seed in (0, 0, 1):
        world = make(seed=seed, memory=memory)
        world.learn(3)
        runs.append(weights(world))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@MEMORIES
def test_state_round_trip(make, memory):
    world, other = make(memory=memory), make(memory=memory, seed=1)
    world.learn(2)
    file = io.BytesIO()
    torch.save(world.agent.state_dict(), file)
    file.seek(0)
    other.agent.load_state_dict(torch.load(file, weights_only=True))
    other.context.generator.set_state(world.context.generator.get_state())  # its owner saves the generator
    assert other.agent.updates == world.agent.updates > 0
    rollout = world.collect()
    for agent in (world.agent, other.agent):
        agent.update(rollout, signals(rollout), 0.5)
    assert torch.equal(weights(world), weights(other))


def test_policy_round_trip(make):
    world, other = make(), make(seed=1)
    world.learn(2)
    file = io.BytesIO()
    torch.save(world.agent.policy_state_dict(), file)
    file.seek(0)
    other.agent.load_policy_state_dict(torch.load(file, weights_only=True))
    obs = world.collect().last_obs
    assert torch.equal(logits(world.agent, obs), logits(other.agent, obs))


@MEMORIES
def test_acting_uses_the_given_generator_alone(make, memory):
    world = make(memory=memory)
    obs, first = world.collect().last_obs, torch.zeros(4, dtype=torch.bool)
    state = world.agent.initial_state(4)
    own, everyones = world.context.generator.get_state(), torch.get_rng_state()
    twice = [world.agent.act(obs, state, first, "sample", torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(twice[0].action, twice[1].action)
    assert torch.equal(own, world.context.generator.get_state())
    assert torch.equal(everyones, torch.get_rng_state())


def test_greedy_takes_the_likeliest(make):
    world = make()
    world.learn(2)
    obs = world.collect().last_obs
    output = world.agent.act(obs, None, torch.zeros(4).bool(), "greedy", world.rng)
    assert torch.equal(output.action, logits(world.agent, obs).argmax(-1))


@MEMORIES
def test_assessing_at_once_is_acting_step_by_step(make, memory):
    """Sampled actions follow the assessed probabilities; values are those of each step with its own state."""
    world = make(memory=memory)
    world.collect(5)  # what follows begins within episodes
    rollout = world.collect()
    state = rollout.agent_state0
    for t in range(rollout.steps):
        obs = {name: entry[t] for name, entry in rollout.obs.items()}
        if state is not None:
            state = torch.where(rollout.first[t].unsqueeze(1), 0.0, state)
        torch.testing.assert_close(world.agent.value(obs, state), rollout.values[t])
        greedy = world.agent.act(obs, state, rollout.first[t], "greedy", world.rng)
        assert torch.equal(greedy.action, rollout.dist["logits"][t].argmax(-1))
        state = greedy.state
    torch.testing.assert_close(
        rollout.log_prob, torch.distributions.Categorical(logits=rollout.dist["logits"]).log_prob(rollout.action)
    )
    last_state = None if state is None else torch.where(rollout.last_first.unsqueeze(1), 0.0, state)
    torch.testing.assert_close(world.agent.value(rollout.last_obs, last_state), rollout.values[-1])


def test_first_frames_forget(make):
    world = make(memory="gru")
    obs, state = world.collect().last_obs, torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    forgotten = torch.tensor([True, False, True, False])
    after = world.agent.act(obs, state, forgotten, "greedy", world.rng).state
    restarted = torch.where(forgotten.unsqueeze(1), 0.0, state)
    torch.testing.assert_close(after, world.agent.act(obs, restarted, ~forgotten & False, "greedy", world.rng).state)
    fresh = world.agent.value(obs, torch.zeros(4, 8))
    kept = world.agent.value(obs, state)
    assert not torch.allclose(fresh, kept)


def pays(amount, rollout):
    """A reward for action 0."""
    return amount * (rollout.action == 0).float()


def test_separate_streams_have_heads_of_their_own(make):
    world = make(specs=(TASK, BONUS))
    rollout = world.collect()
    assert rollout.values.shape[-1] == 2
    rewards = {"task": pays(0, rollout), "bonus": pays(1, rollout)}
    metrics = world.agent.update(rollout, Signals(rewards), 0.0)
    no = torch.zeros_like(rollout.terminated)
    options = [{"gamma": 0.99, "episodic": True}, {"gamma": 0.9, "episodic": False}]
    for index, (name, of_stream) in enumerate(zip(rewards, options, strict=True)):
        values, final_values = rollout.values[..., index], rollout.final_values[..., index]
        weighed = (TASK, BONUS)[index].coef * rewards[name]
        expected = gae(weighed, values, final_values, no, rollout.truncated, gae_lambda=0.95, **of_stream)
        assert metrics[f"advantage/{name}_std"] == pytest.approx(expected.std(unbiased=False).item(), rel=1e-5)


def test_a_tiny_bonus_of_huge_returns_does_not_drown_the_task(make):
    """Weighed by its coefficient it is nothing, so learning is nearly as without it: the value loss stays small."""
    tiny = StreamSpec("bonus", 0.99, coef=1e-6)
    losses = []
    for amount in (0.0, 1000.0):
        world = make(specs=(TASK, tiny))
        rollout = world.collect()
        rewards = {"task": pays(1, rollout), "bonus": pays(amount, rollout)}
        losses.append(world.agent.update(rollout, Signals(rewards), 0.0)["loss/value"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize("streams", ["separate", "joint"])
@pytest.mark.parametrize("coef", [1.0, -1.0])
def test_a_bonus_is_sought_or_shunned_by_the_sign_of_its_coefficient(make, streams, coef):
    specs = (TASK, StreamSpec("bonus", 0.9, coef=coef))
    world = make(specs=specs, streams=streams, gae_lambda=0.0, learning_rate=1e-2)
    rollout = world.collect()
    obs = {"vector": rollout.obs["vector"].flatten(0, 1)}

    def probability():
        return logits(world.agent, obs).softmax(-1)[:, 0].mean().item()

    before = probability()
    world.agent.update(rollout, Signals({"task": pays(0, rollout), "bonus": pays(1, rollout)}), 0.0)
    assert coef * (probability() - before) > 0.02


def joint_weights(make, task, bonus, **options):
    world = make(specs=(TASK, BONUS), streams="joint", **options)
    rollout = world.collect()
    assert rollout.values.shape[-1] == 1
    metrics = world.agent.update(rollout, Signals({"task": pays(task, rollout), "bonus": pays(bonus, rollout)}), 0.0)
    assert metrics["advantage/joint_std"] > 0
    return weights(world)


def test_joint_is_one_head_on_the_weighted_sum(make):
    assert torch.equal(joint_weights(make, 1.0, 4.0), joint_weights(make, 3.0, 0.0))
    assert not torch.equal(joint_weights(make, 1.0, 4.0), joint_weights(make, 1.0, 0.0))


def test_the_weighted_sum_can_be_clipped(make):
    assert torch.equal(joint_weights(make, 5.0, 4.0, reward_clip=1.0), joint_weights(make, 1.0, 0.0))
    assert torch.equal(joint_weights(make, -5.0, 0.0, reward_clip=1.0), joint_weights(make, -1.0, 0.0))


def test_truncation_is_bootstrapped_unless_turned_off(make):
    results = []
    for options, factor in [
        ({}, 1.0),
        ({}, 2.0),
        ({"bootstrap_truncation": False}, 1.0),
        ({"bootstrap_truncation": False}, 2.0),
    ]:
        world = make(**options)
        rollout = world.collect()
        assert rollout.truncated.any()
        rollout.final_values *= factor
        world.agent.update(rollout, signals(rollout), 0.0)
        results.append(weights(world))
    assert not torch.equal(results[0], results[1])
    assert torch.equal(results[2], results[3])


def test_without_reward_noise_is_not_amplified(make):
    """The floor on the std keeps a rollout of tiny advantages from counting as much as one with rewards."""

    def moved(floor):
        world = make(
            advantage_std_floor=floor, entropy_coef=0.0, value_coef=0.0, gae_lambda=0.0, max_grad_norm=1e9, **WHOLE
        )
        rollout = world.collect()
        rollout.values.zero_()
        rollout.final_values.zero_()
        return world.agent.update(rollout, Signals({"task": pays(1e-3, rollout)}), 0.0)["loss/grad_norm"]

    assert moved(1.0) < 0.01 * moved(0.0)


def test_a_reward_that_never_varies_is_no_division_by_zero(make):
    world = make(advantage_std_floor=0.0)
    rollout = world.collect()
    rollout.values.zero_()
    rollout.final_values.zero_()
    metrics = world.agent.update(rollout, Signals({"task": torch.zeros(16, 4)}), 0.0)
    assert all(np.isfinite(value) for value in metrics.values())
    assert "loss/explained_variance" not in metrics  # there is no variance to explain


def test_learning_rate_is_annealed_by_the_progress(make):
    for anneal, expected in [(True, 0.75e-3), (False, 1e-3)]:
        world = make(learning_rate=1e-3, anneal_learning_rate=anneal)
        rollout = world.collect()
        assert world.agent.update(rollout, signals(rollout), 0.25)["loss/learning_rate"] == pytest.approx(expected)


@MEMORIES
def test_divergence_is_reported_with_what_diverged(make, memory):
    world = make(memory=memory)
    rollout = replace(world.collect())  # its frames are found anew
    before = weights(world)
    rollout.obs["vector"][0, 0, 0] = float("nan")
    with pytest.raises(Diverged, match=r"gradient step \d+: loss/policy nan"):
        world.agent.update(rollout, signals(rollout), 0.0)
    assert torch.isfinite(weights(world)).all()
    assert torch.equal(before, weights(world)) == (world.agent.updates == 0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"reward_clip": 1.0}, "reward_clip=1.0: only with streams=joint"),
        ({"network": "cnn", "encoding": "onehot"}, "encoding=onehot: only with network=mlp"),
        ({"hidden": [64, 0]}, "hidden=.*from 1 to 65536"),
        ({"gamma": 1.5}, "gamma=1.5: must be at most 1"),
        ({"clip": 0.0}, "clip=0.0: must be greater than 0"),
        ({"streams": "both"}, "streams=both: no such option"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, line):
    with pytest.raises(UserError, match=line):
        check(ppo.Config(**options))


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 0.5), (0.25, 0.4), (1.0, 0.1)])
def test_a_stream_fades_linearly_over_the_budget(make, progress, weight):
    fading = StreamSpec("bonus", 0.0, coef=0.5, coef_end=0.2)
    world = make(specs=(TASK, fading), **WHOLE, gae_lambda=0.0, normalise_advantages=False)
    rollout = world.collect()
    bonus = torch.randn(rollout.action.shape, generator=torch.Generator().manual_seed(0))
    metrics = world.agent.update(rollout, signals(rollout, bonus=bonus), progress)
    advantage = weight * bonus - rollout.values[:-1, :, 1]
    assert metrics["advantage/bonus_std"] == pytest.approx(advantage.std(unbiased=False).item(), rel=1e-5)
