"""The laws of all agents. A law takes a case, and raises `Broken` where it does not hold.

What differs by the way of learning, and the laws of one way alone, stand in `ways/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.contracts.result import Broken, require
from rewardlab.contracts.state_laws import (
    GAMMA,
    NUM_ENVS,
    contents,
    global_seed,
    new_context,
    require_equal,
    restore,
    saved,
)
from rewardlab.contracts.ways import way
from rewardlab.contracts.worlds import Renderer, Script, write_script
from rewardlab.types import (
    MASK,
    BuildContext,
    EnvSpec,
    ObsSpec,
    Rollout,
    Signals,
    StreamSpec,
)

STREAMS = (StreamSpec("task", GAMMA), StreamSpec("intrinsic", 0.9, coef=0.5, episodic=False))
STEPS = 16
MODES = ("explore", "sample", "greedy")


@dataclass(frozen=True)
class AgentCase:
    """An agent to be tested in one made-up world: how to build it, and what it meets."""

    agent: Callable[[Any, BuildContext, tuple[StreamSpec, ...]], Any]
    config: Any
    spec: EnvSpec
    streams: tuple[StreamSpec, ...] = STREAMS

    def build(self, seed: int = 3) -> tuple[Any, BuildContext]:
        context = new_context(self.spec, seed)
        return self.agent(self.config, context, self.streams), context

    def scripts(self, *lengths: int) -> list[Script]:
        """Scripts in a row."""
        rng = np.random.default_rng(7)
        scripts: list[Script] = []
        for steps in lengths:
            scripts.append(write_script(rng, self.spec, steps, NUM_ENVS, scripts[-1] if scripts else None))
        return scripts

    def render(self, script: Script) -> Rollout:
        return Renderer(self.spec, seed=11).rollout(script)

    def signals(self, rollout: Rollout) -> Signals:
        bonus = torch.linspace(0.0, 0.1, rollout.task_reward.numel()).reshape(rollout.task_reward.shape)
        streams = {"task": rollout.task_reward.clone(), "intrinsic": bonus}
        return Signals({spec.name: streams[spec.name] for spec in self.streams})


def acts_as_declared(case: AgentCase) -> None:
    """Actions fit the world."""
    agent, _ = case.build()
    rollout = case.render(case.scripts(STEPS)[0])
    for mode in MODES:
        output = agent.act(row(rollout, 0), agent.initial_state(NUM_ENVS), rollout.first[0], mode, rng())
        like, action = rollout.action[0], output.action
        require(action.shape == like.shape, f"actions have shape {tuple(action.shape)} instead of {tuple(like.shape)}")
        require(action.dtype == like.dtype, f"actions are {action.dtype} instead of {like.dtype}")
        if case.spec.action.n is not None:
            require(bool(((action >= 0) & (action < case.spec.action.n)).all()), "actions are out of range")


def keeps_to_what_is_allowed(case: AgentCase) -> None:
    """An agent that obeys masks never takes a forbidden action, before it learned and after, nor finds one likely."""
    n = case.spec.action.n
    if n is None or not case.build()[0].obeys_masks:
        return
    masked = {**case.spec.obs, MASK: ObsSpec((n,), "uint8", 1)}
    case = replace(case, spec=replace(case.spec, obs=masked))
    agent, _ = case.build()
    way(agent).begin(agent, 0.5)
    for script in case.scripts(STEPS, STEPS, STEPS):
        rollout = collect(agent, case.render(script), rng())
        masks = rollout.obs[MASK]
        actions = {"explore": rollout.action}
        for mode in ("sample", "greedy"):
            state = agent.initial_state(NUM_ENVS)
            rows = [agent.act(row(rollout, t), state, rollout.first[t], mode, rng()).action for t in range(STEPS)]
            actions[mode] = torch.stack(rows)
        for mode, action in actions.items():
            require(bool(masks.gather(-1, action[..., None]).all()), f"takes forbidden actions, to {mode}")
        if agent.learns_from == "on_policy":
            likely = rollout.dist["logits"].softmax(dim=-1)[masks == 0].max()
            require(float(likely) == 0.0, "finds a forbidden action possible")
        way(agent).learn(case, agent, rollout, case.signals(rollout), 0.5)


def same_seed_same_result(case: AgentCase) -> None:
    """Two agents from one seed act and learn the same, whatever the global random state."""
    runs = []
    for seed in (1, 2):
        with global_seed(seed):
            agent, _ = case.build()
            runs.append(_train(case, agent, case.scripts(STEPS, STEPS), rng()))
    require_equal(runs[0], runs[1], "a second run")


def greedy_is_deterministic(case: AgentCase) -> None:
    """Greedy actions do not depend on the generator, where the agent has a greedy policy (it learns)."""
    agent, _ = case.build()
    _train(case, agent, case.scripts(STEPS), rng())
    if agent.updates == 0:
        return
    rollout = case.render(case.scripts(STEPS)[0])
    state = agent.initial_state(NUM_ENVS)
    acts = [agent.act(row(rollout, 0), state, rollout.first[0], "greedy", rng(seed)).action for seed in (1, 2)]
    require(torch.equal(acts[0], acts[1]), "two greedy actions on the same observation differ")


def acting_changes_nothing(case: AgentCase) -> None:
    """Acting leaves the agent's state as it is: evaluation must not touch training."""
    agent, context = case.build()
    before = saved(agent, context)
    rollout = case.render(case.scripts(STEPS)[0])
    for mode in MODES:
        agent.act(row(rollout, 0), agent.initial_state(NUM_ENVS), rollout.first[0], mode, rng())
    require_equal(before, saved(agent, context), "the state after acting")


def update_changes_the_policy(case: AgentCase) -> None:
    """An update with gradient steps changes the policy; one without leaves it."""
    agent, _ = case.build()
    before = policy(agent)
    metrics = _train(case, agent, case.scripts(STEPS), rng())[0][1]
    changed = differ(before, policy(agent))
    if agent.updates > 0:
        require(changed, f"{agent.updates} gradient steps changed nothing")
    else:
        require(not changed, "the policy changed although `updates` counts no gradient step")
    for name, value in metrics.items():
        require(name in agent.metrics, f"update returned {name}, which metrics does not declare")
        require(bool(np.isfinite(value)), f"update returned {name}={value}")


def planted_bonus_changes_the_policy(case: AgentCase) -> None:
    """A bonus in a stream beside the task's reaches the advantages: what is learned differs."""
    if len(case.streams) == 1:
        return
    script = case.scripts(STEPS)[0]
    policies = []
    for bonus in (0.0, 1.0):
        agent, _ = case.build()
        rollout = collect(agent, case.render(script), rng())
        signals = case.signals(rollout)
        signals.streams["intrinsic"][STEPS // 2, 0] += bonus
        way(agent).learn(case, agent, rollout, signals, 0.0)
        policies.append(policy(agent))
    if agent.updates > 0:
        require(differ(policies[0], policies[1]), "a planted bonus changed nothing that is learned")


def rollout_is_left_alone(case: AgentCase) -> None:
    """`update` changes neither the rollout nor the signals: the scheme learns from them next."""
    agent, _ = case.build()
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), rng())
    signals = case.signals(rollout)
    before = _copy([contents(rollout), signals.streams])
    way(agent).learn(case, agent, rollout, signals, 0.0)
    require_equal(before, [contents(rollout), signals.streams], "the rollout")


def state_round_trips(case: AgentCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    agent, context = case.build()
    scripts = case.scripts(STEPS, STEPS, STEPS)
    _train(case, agent, scripts[:1], rng())
    state = saved(agent, context)
    expected = _train(case, agent, scripts[1:], rng())
    other, other_context = case.build(seed=99)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    require_equal(expected, _train(case, other, scripts[1:], rng()), "what follows a restored state")


def policy_round_trips(case: AgentCase) -> None:
    """The policy alone is enough to act as the agent does."""
    agent, _ = case.build()
    _train(case, agent, case.scripts(STEPS), rng())
    other, _ = case.build(seed=99)
    other.load_policy_state_dict(policy(agent))
    way(agent).begin(other, 0.5)
    rollout = case.render(case.scripts(STEPS)[0])
    acts = [
        [one.act(row(rollout, 0), one.initial_state(NUM_ENVS), rollout.first[0], m, rng()).action for m in MODES]
        for one in (agent, other)
    ]
    require_equal(acts[0], acts[1], "an action of the restored policy")


def shortened_rollouts_work(case: AgentCase) -> None:
    """The last rollout of a run is shorter, down to one step."""
    agent, _ = case.build()
    for _, metrics, *_ in _train(case, agent, case.scripts(STEPS, 3, 1), rng()):
        for name, value in metrics.items():
            require(bool(np.isfinite(value)), f"a short rollout gave {name}={value}")


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    acts_as_declared,
    keeps_to_what_is_allowed,
    same_seed_same_result,
    greedy_is_deterministic,
    acting_changes_nothing,
    update_changes_the_policy,
    planted_bonus_changes_the_policy,
    rollout_is_left_alone,
    state_round_trips,
    policy_round_trips,
    shortened_rollouts_work,
)


@torch.no_grad()
def collect(agent: Any, rollout: Rollout, rng: torch.Generator, state: torch.Tensor | None = None) -> Rollout:
    """The same rollout with the agent's own actions in it, and what its way of learning adds."""
    state = agent.initial_state(rollout.num_envs) if state is None else state
    actions, states, state0 = [], [], state
    for t in range(rollout.steps):
        output = agent.act(row(rollout, t), state, rollout.first[t], "explore", rng)
        state = output.state
        actions.append(output.action)
        states.append(state)
    return way(agent).assessed(agent, replace(rollout, action=torch.stack(actions), agent_state0=state0), states)  # type: ignore[no-any-return]


def _train(case: AgentCase, agent: Any, scripts: list[Script], rng: torch.Generator) -> list[list[Any]]:
    """Iterations of training: the actions and the metrics of each."""
    history: list[list[Any]] = []
    way(agent).begin(agent, 0.5)
    for script in scripts:
        rollout = collect(agent, case.render(script), rng)
        metrics = way(agent).learn(case, agent, rollout, case.signals(rollout), 0.5)
        history.append([rollout.action, dict(metrics), agent.updates, policy(agent)])
    return history


def row(rollout: Rollout, t: int) -> dict[str, torch.Tensor]:
    return {name: entry[t] for name, entry in rollout.obs.items()}


def rng(seed: int = 23) -> torch.Generator:
    return seeding.torch_rng(seed, "act")


def policy(agent: Any) -> Any:
    return _copy(agent.policy_state_dict())


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def differ(left: Any, right: Any) -> bool:
    try:
        require_equal(left, right, "policy")
    except Broken:
        return True
    return False
