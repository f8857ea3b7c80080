"""The laws of agents. A law takes a case, and raises `Broken` where it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from rewardlab.contracts.worlds import Renderer, Script, write_script
from rewardlab.errors import UserError
from rewardlab.types import (
    BuildContext,
    EnvSpec,
    Judgement,
    ReplayAgent,
    Rollout,
    Signals,
    StreamSpec,
    TensorMetrics,
    Transitions,
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
        output = agent.act(_row(rollout, 0), agent.initial_state(NUM_ENVS), rollout.first[0], mode, _rng())
        like, action = rollout.action[0], output.action
        require(action.shape == like.shape, f"actions have shape {tuple(action.shape)} instead of {tuple(like.shape)}")
        require(action.dtype == like.dtype, f"actions are {action.dtype} instead of {like.dtype}")
        if case.spec.action.n is not None:
            require(bool(((action >= 0) & (action < case.spec.action.n)).all()), "actions are out of range")


def assesses_as_declared(case: AgentCase) -> None:
    """log_prob is [T, N], values are [T + 1, N, S], of finite numbers, without gradients."""
    agent, _ = case.build()
    if isinstance(agent, ReplayAgent):
        return
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), _rng())
    shapes = {"log_prob": (STEPS, NUM_ENVS), "values": (STEPS + 1, NUM_ENVS, rollout.values.shape[-1])}
    for name, shape in shapes.items():
        value = getattr(rollout, name)
        require(tuple(value.shape) == shape, f"{name} has shape {tuple(value.shape)} instead of {shape}")
        require(bool(torch.isfinite(value).all()), f"{name} is not finite")
        require(not value.requires_grad, f"{name} carries a gradient")
    for name, parameters in rollout.dist.items():
        require(tuple(parameters.shape[:2]) == (STEPS, NUM_ENVS), f"{name} has shape {tuple(parameters.shape)}")


def same_seed_same_result(case: AgentCase) -> None:
    """Two agents from one seed act and learn the same, whatever the global random state."""
    runs = []
    for seed in (1, 2):
        with global_seed(seed):
            agent, _ = case.build()
            runs.append(_train(case, agent, case.scripts(STEPS, STEPS), _rng()))
    require_equal(runs[0], runs[1], "a second run")


def greedy_is_deterministic(case: AgentCase) -> None:
    """Greedy actions do not depend on the generator, where the agent has a greedy policy (it learns)."""
    agent, _ = case.build()
    _train(case, agent, case.scripts(STEPS), _rng())
    if agent.updates == 0:
        return
    rollout = case.render(case.scripts(STEPS)[0])
    state = agent.initial_state(NUM_ENVS)
    acts = [agent.act(_row(rollout, 0), state, rollout.first[0], "greedy", _rng(seed)).action for seed in (1, 2)]
    require(torch.equal(acts[0], acts[1]), "two greedy actions on the same observation differ")


def acting_changes_nothing(case: AgentCase) -> None:
    """Acting and valuing leave the agent's state as it is: evaluation must not touch training."""
    agent, context = case.build()
    before = saved(agent, context)
    rollout = case.render(case.scripts(STEPS)[0])
    for mode in MODES:
        output = agent.act(_row(rollout, 0), agent.initial_state(NUM_ENVS), rollout.first[0], mode, _rng())
        if not isinstance(agent, ReplayAgent):
            agent.value(_row(rollout, 1), output.state)
    require_equal(before, saved(agent, context), "the state after acting")


def update_changes_the_policy(case: AgentCase) -> None:
    """An update with gradient steps changes the policy; one without leaves it."""
    agent, _ = case.build()
    before = _policy(agent)
    metrics = _train(case, agent, case.scripts(STEPS), _rng())[0][1]
    changed = _differ(before, _policy(agent))
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
        rollout = collect(agent, case.render(script), _rng())
        signals = case.signals(rollout)
        signals.streams["intrinsic"][STEPS // 2, 0] += bonus
        learn(case, agent, rollout, signals, 0.0)
        policies.append(_policy(agent))
    if agent.updates > 0:
        require(_differ(policies[0], policies[1]), "a planted bonus changed nothing that is learned")


def planted_advantage_changes_the_policy(case: AgentCase) -> None:
    """A bonus on the advantages, or on the value targets, is learned from; replay refuses schemes that give any."""
    if isinstance(case.build()[0], ReplayAgent):
        return
    script = case.scripts(STEPS)[0]
    for name in ("advantage_bonus", "value_target_bonus"):
        policies = []
        for bonus in (0.0, 1.0):
            agent, _ = case.build()
            rollout = collect(agent, case.render(script), _rng())
            planted = torch.zeros_like(rollout.task_reward)
            planted[STEPS // 2, 0] = bonus
            signals = case.signals(rollout)
            setattr(signals, name, planted)
            agent.update(rollout, signals, 0.0)
            policies.append(_policy(agent))
        if agent.updates > 0:
            require(_differ(policies[0], policies[1]), f"a planted {name} changed nothing that is learned")


def aux_losses_are_learned(case: AgentCase) -> None:
    """An agent that takes a scheme's loss steps once on each of its batches, counts that, and declares its column."""
    agent, _ = case.build()
    if not hasattr(agent, "take_aux_losses"):
        return
    script = case.scripts(STEPS)[0]
    aux_loss = _Cloning(case.render(script))
    try:
        agent.take_aux_losses((aux_loss,))
    except UserError:
        return
    require("loss/cloning" in agent.metrics, "the column loss/cloning of a loss handed over is not declared")
    plain, _ = case.build()
    for one in (plain, agent):
        rollout = collect(one, case.render(script), _rng())
        metrics = one.update(rollout, case.signals(rollout), 0.0)
    require("loss/cloning" in metrics, "the loss handed over is not among the metrics")
    steps = agent.updates - plain.updates
    require(steps == aux_loss.COUNT, f"{aux_loss.COUNT} batches were handed over, and {steps} steps were counted")
    require(aux_loss.losses[-1] < aux_loss.losses[0], "the loss handed over does not fall")


def weights_follow_the_budget(case: AgentCase) -> None:
    """A stream whose weight goes to 0 counts at the beginning of the budget and no more at its end.

    What goes to a buffer is weighed before the agent sees it.
    """
    if len(case.streams) == 1 or isinstance(case.build()[0], ReplayAgent):
        return
    script = case.scripts(STEPS)[0]
    fading = replace(case, streams=(case.streams[0], replace(case.streams[1], coef_end=0.0)))
    for progress in (0.0, 1.0):
        policies = []
        for bonus in (0.0, 1.0):
            agent, _ = fading.build()
            rollout = collect(agent, fading.render(script), _rng())
            signals = fading.signals(rollout)
            signals.streams["intrinsic"][STEPS // 2, 0] += bonus
            agent.update(rollout, signals, progress)
            policies.append(_policy(agent))
        counts = agent.updates > 0 and progress < 1
        require(
            _differ(*policies) == counts,
            f"a bonus that fades changes {'nothing' if counts else 'what is learned'} at {progress:.0%} of the budget",
        )


def rollout_is_left_alone(case: AgentCase) -> None:
    """`update` changes neither the rollout nor the signals: the scheme learns from them next."""
    agent, _ = case.build()
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), _rng())
    signals = case.signals(rollout)
    before = _copy([contents(rollout), signals.streams])
    learn(case, agent, rollout, signals, 0.0)
    require_equal(before, [contents(rollout), signals.streams], "the rollout")


def state_round_trips(case: AgentCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    agent, context = case.build()
    scripts = case.scripts(STEPS, STEPS, STEPS)
    _train(case, agent, scripts[:1], _rng())
    state = saved(agent, context)
    expected = _train(case, agent, scripts[1:], _rng())
    other, other_context = case.build(seed=99)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    require_equal(expected, _train(case, other, scripts[1:], _rng()), "what follows a restored state")


def policy_round_trips(case: AgentCase) -> None:
    """The policy alone is enough to act as the agent does."""
    agent, _ = case.build()
    _train(case, agent, case.scripts(STEPS), _rng())
    other, _ = case.build(seed=99)
    other.load_policy_state_dict(_policy(agent))
    if isinstance(agent, ReplayAgent):
        other.progress = agent.progress
    rollout = case.render(case.scripts(STEPS)[0])
    acts = [
        [one.act(_row(rollout, 0), one.initial_state(NUM_ENVS), rollout.first[0], m, _rng()).action for m in MODES]
        for one in (agent, other)
    ]
    require_equal(acts[0], acts[1], "an action of the restored policy")


def shortened_rollouts_work(case: AgentCase) -> None:
    """The last rollout of a run is shorter, down to one step."""
    agent, _ = case.build()
    for _, metrics, *_ in _train(case, agent, case.scripts(STEPS, 3, 1), _rng()):
        for name, value in metrics.items():
            require(bool(np.isfinite(value)), f"a short rollout gave {name}={value}")


LAWS: tuple[Callable[[AgentCase], None], ...] = (
    acts_as_declared,
    assesses_as_declared,
    same_seed_same_result,
    greedy_is_deterministic,
    acting_changes_nothing,
    update_changes_the_policy,
    planted_bonus_changes_the_policy,
    planted_advantage_changes_the_policy,
    aux_losses_are_learned,
    weights_follow_the_budget,
    rollout_is_left_alone,
    state_round_trips,
    policy_round_trips,
    shortened_rollouts_work,
)


class _Cloning:
    """Imitates the actions of a rollout, over and over."""

    name = "cloning"
    COUNT = 20

    def __init__(self, rollout: Rollout) -> None:
        self.losses: list[float] = []
        self._steps = Transitions(
            {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}, rollout.action.flatten(0, 1)
        )

    def batches(self) -> Iterable[Transitions]:
        return [self._steps] * self.COUNT

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        loss = -judgement.log_prob.mean()
        self.losses.append(float(loss.detach()))
        return loss


@torch.no_grad()
def collect(agent: Any, rollout: Rollout, rng: torch.Generator, state: torch.Tensor | None = None) -> Rollout:
    """The same rollout with the agent's own actions, log_prob, dist and values in it."""
    state = agent.initial_state(rollout.num_envs) if state is None else state
    actions, final_values, state0 = [], [], state
    replays = isinstance(agent, ReplayAgent)
    for t in range(rollout.steps):
        output = agent.act(_row(rollout, t), state, rollout.first[t], "explore", rng)
        state = output.state
        actions.append(output.action)
        if not replays:
            final_values.append(agent.value({name: entry[t] for name, entry in rollout.next_obs.items()}, state))
    if replays:
        return replace(rollout, action=torch.stack(actions), agent_state0=state0)
    acted = replace(rollout, action=torch.stack(actions), agent_state0=state0)
    assessment = agent.assess(acted)
    return replace(
        acted,
        log_prob=assessment.log_prob,
        dist=assessment.dist,
        values=assessment.values,
        final_values=torch.stack(final_values),
    )


def learn(case: AgentCase, agent: Any, rollout: Rollout, signals: Signals, progress: float) -> dict[str, float]:
    """One round of learning; an agent on replay gets the whole rollout as a minibatch, twice."""
    if not isinstance(agent, ReplayAgent):
        return dict(agent.update(rollout, signals, progress))
    agent.progress = progress
    found: TensorMetrics = {}
    for _ in range(2):
        found, _ = agent.update_batch(transitions(case, agent, rollout, signals))
    return {name: float(value) for name, value in found.items()}


def transitions(case: AgentCase, agent: ReplayAgent, rollout: Rollout, signals: Signals) -> Transitions:
    """The steps of a rollout as they come from a buffer, n = 1."""
    extra = agent.columns(rollout.task_reward.numel())
    reward = torch.stack([spec.coef * signals.streams[spec.name] for spec in case.streams]).sum(dim=0)
    extra |= {"reward": reward.flatten(), "discount": (GAMMA * ~rollout.terminated).flatten()}
    obs, next_obs = ({k: v.flatten(0, 1) for k, v in entries.items()} for entries in (rollout.obs, rollout.next_obs))
    return Transitions(obs, rollout.action.flatten(0, 1), extra, next_obs)


def _train(case: AgentCase, agent: Any, scripts: list[Script], rng: torch.Generator) -> list[list[Any]]:
    """Iterations of training: the actions and the metrics of each."""
    history: list[list[Any]] = []
    if isinstance(agent, ReplayAgent):
        agent.progress = 0.5
    for script in scripts:
        rollout = collect(agent, case.render(script), rng)
        metrics = learn(case, agent, rollout, case.signals(rollout), 0.5)
        history.append([rollout.action, dict(metrics), agent.updates, _policy(agent)])
    return history


def _row(rollout: Rollout, t: int) -> dict[str, torch.Tensor]:
    return {name: entry[t] for name, entry in rollout.obs.items()}


def _rng(seed: int = 23) -> torch.Generator:
    return seeding.torch_rng(seed, "act")


def _policy(agent: Any) -> Any:
    return _copy(agent.policy_state_dict())


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def _differ(left: Any, right: Any) -> bool:
    try:
        require_equal(left, right, "policy")
    except Broken:
        return True
    return False
