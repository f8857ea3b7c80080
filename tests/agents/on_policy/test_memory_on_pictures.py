"""Every encoder with and without a GRU: acting, judging and learning agree, and blocks of pictures change nothing."""

from typing import Any

import pytest
import torch

from rewardlab.agents.on_policy import ppo
from rewardlab.agents.replay import dqn
from rewardlab.contracts.state_laws import new_context
from rewardlab.errors import UserError
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec, Rollout, Signals, StreamSpec, TensorObs, Transitions

STEPS, ENVS, ACTIONS = 4, 4, 3
FRAMES = {"image": ObsSpec((84, 84, 4), "uint8", 255)}
COLOURS = {"image": ObsSpec((64, 64, 3), "uint8", 255)}
SMALL = {"image": ObsSpec((30, 36, 1), "float32")}
BESIDE = {"vector": ObsSpec((3,), "float32"), "image": ObsSpec((36, 40, 3), "uint8", 255)}
GRID = {"image": ObsSpec((7, 7, 3), "uint8", 10), "mission": ObsSpec((5,), "int64", 9)}
LARGE_GRID = {"image": ObsSpec((19, 19, 3), "uint8", 10)}
READ: list[tuple[dict[str, ObsSpec], dict[str, str]]] = [
    (FRAMES, {"network": "auto"}),
    (FRAMES, {"network": "impala"}),
    (COLOURS, {"network": "cnn"}),
    (COLOURS, {"network": "mlp"}),
    (SMALL, {"network": "auto"}),
    (BESIDE, {"network": "cnn"}),
    (GRID, {"network": "auto"}),
    (GRID, {"network": "cnn"}),
    (GRID, {"network": "mlp", "encoding": "onehot"}),
    (LARGE_GRID, {"network": "cnn"}),
    (LARGE_GRID, {"network": "impala"}),
]
PAIRS = pytest.mark.parametrize(("obs", "reads"), READ, ids=lambda each: "-".join(map(str, each.values()))[:40])


def drawn(obs: dict[str, ObsSpec], *lead: int) -> TensorObs:
    rng = torch.Generator().manual_seed(sum(lead))

    def entry(spec: ObsSpec) -> torch.Tensor:
        if spec.high == 0:
            return torch.rand(*lead, *spec.shape, generator=rng)
        return torch.randint(spec.high + 1, (*lead, *spec.shape), generator=rng).to(getattr(torch, spec.dtype))

    return {name: entry(spec) for name, spec in obs.items()}


def rollout_of(agent: Any, obs: dict[str, ObsSpec]) -> Rollout:
    seen, first = drawn(obs, STEPS + 1, ENVS), torch.zeros(STEPS + 1, ENVS, dtype=torch.bool)
    first[0], first[2, 1] = True, True
    no = torch.zeros(STEPS, ENVS, dtype=torch.bool)
    ends = no.clone()
    ends[1, 1] = True
    action = torch.randint(ACTIONS, (STEPS, ENVS), generator=torch.Generator().manual_seed(0))
    found = Rollout(
        obs={name: entry[:-1] for name, entry in seen.items()},
        next_obs={name: entry[1:].clone() for name, entry in seen.items()},
        action=action,
        task_reward=action.float(),
        terminated=ends,
        truncated=no,
        success=no,
        first=first[:-1],
        last_obs={name: entry[-1] for name, entry in seen.items()},
        last_first=first[-1],
        agent_state0=agent.initial_state(ENVS),
    )
    found.take(agent.assess(found))
    return found


def made(obs: dict[str, ObsSpec], kind: Any = ppo, **options: Any) -> Any:
    spec = EnvSpec("made up", obs, ActionSpec(n=ACTIONS), max_steps=50)
    return kind.Agent(kind.Config(**options), new_context(spec), (StreamSpec("task", 0.99),))


@PAIRS
@pytest.mark.parametrize("memory", ["none", "gru"])
def test_what_is_seen_step_by_step_and_at_once_is_the_same(
    obs: dict[str, ObsSpec], reads: dict[str, str], memory: str
) -> None:
    agent = made(obs, **reads, memory=memory, memory_size=8)
    rollout, rng = rollout_of(agent, obs), torch.Generator()
    state = agent.initial_state(ENVS)
    for t in range(STEPS):
        here = {name: entry[t] for name, entry in rollout.obs.items()}
        began = None if state is None else state * ~rollout.first[t].unsqueeze(-1)
        torch.testing.assert_close(agent.value(here, began), rollout.values[t], rtol=1e-3, atol=1e-6)
        state = agent.act(here, state, rollout.first[t], "explore", rng).state
    assert (state is None) == (memory == "none")


@PAIRS
@pytest.mark.parametrize("memory", ["none", "gru"])
def test_learning_in_blocks_is_learning_at_once(obs: dict[str, ObsSpec], reads: dict[str, str], memory: str) -> None:
    after = []
    for block in (5, None):
        agent = made(obs, **reads, memory=memory, memory_size=8, epochs=1, minibatch_size=10_000, value_clip=0.1)
        shows_pixels = agent.network.encoder.block is not None
        agent.network.encoder.block = block if shows_pixels else None
        rollout = rollout_of(agent, obs)
        agent.optimiser.eps = 1.0  # so that a step is in proportion to its gradient
        before = torch.cat(
            [entry.detach().flatten() for entry in agent.network.encoder.parameters()] or [torch.ones(1)]
        )
        metrics = agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0)
        weights = [entry.detach().flatten() for entry in agent.network.parameters()]
        now = torch.cat([entry.detach().flatten() for entry in agent.network.encoder.parameters()] or [torch.zeros(1)])
        assert not torch.equal(before, now)
        after.append((torch.cat(weights), metrics))
    torch.testing.assert_close(after[0][0], after[1][0], rtol=1e-4, atol=1e-6)
    assert after[0][1] == pytest.approx(after[1][1], rel=1e-3, abs=1e-5)


@PAIRS
def test_values_of_actions_are_learned_by_every_encoder(obs: dict[str, ObsSpec], reads: dict[str, str]) -> None:
    agent = made(obs, dqn, **reads, learning_rate=1e-4)
    batch = Transitions(
        drawn(obs, 5),
        torch.arange(5) % ACTIONS,
        {"reward": torch.ones(5), "discount": torch.full((5,), 0.9)},
        drawn(obs, 5),
    )
    first = float(agent.update_batch(batch)[0]["loss/td"])
    for _ in range(3):
        last = float(agent.update_batch(batch)[0]["loss/td"])
    assert 0 < last < first


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_what_an_encoder_cannot_read_is_refused(memory: str) -> None:
    with pytest.raises(UserError, match=r"agent.encoding=onehot: an image with values up to 255 has too many"):
        made(FRAMES, network="auto", encoding="onehot", memory=memory)
    with pytest.raises(UserError, match=r"agent.network=impala: an image of shape .* is too small"):
        made(GRID, network="impala", memory=memory)
    with pytest.raises(UserError, match=r"agent.network=cnn: the environment shows no image"):
        made({"vector": ObsSpec((3,), "float32")}, network="cnn", memory=memory)


def test_pictures_are_judged_while_acting(worlds: Any, learning: Any) -> None:
    world = learning(worlds["identity"](3, shown="picture"), network="auto")
    for _ in range(2):
        rollout = world.collect(12)
        assert len(rollout.judged) == 12 and rollout.done.any()
        ends = rollout.done  # elsewhere this world draws its pictures twice
        kept = rollout.log_prob, rollout.dist["logits"], rollout.values, rollout.final_values[ends]
        rollout.judged = []
        again = world.agent.assess(rollout)
        assert again.final_values is not None
        anew = again.log_prob, again.dist["logits"], again.values, again.final_values[ends]
        torch.testing.assert_close(kept, anew, rtol=1e-4, atol=1e-6)
