"""The laws of learning from replay: of agents that do, and of what schemes do for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rewardlab.contracts.agent_laws import STEPS, AgentCase, collect, learn, transitions
from rewardlab.contracts.result import require
from rewardlab.contracts.reward_laws import RewardCase
from rewardlab.contracts.state_laws import NUM_ENVS, require_equal, saved
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.state_keys import FACT
from rewardlab.seeding import torch_rng
from rewardlab.types import BuildContext, Episode, ReplayAgent, Rollout, Transitions, Windows


def evaluation_does_not_explore(case: AgentCase) -> None:
    """On replay, what an agent does in evaluation depends on no generator and not on how far training has come.

    One whose policy is random then too says so: `stochastic`.
    """
    agent, _ = case.build()
    if not isinstance(agent, ReplayAgent):
        return
    rollout = case.render(case.scripts(STEPS)[0])
    acts = []
    for seed, progress in ((1, 0.0), (1 if getattr(agent, "stochastic", False) else 2, 1.0)):
        agent.progress = progress
        obs, state = {name: entry[0] for name, entry in rollout.obs.items()}, agent.initial_state(NUM_ENVS)
        acts.append(agent.act(obs, state, rollout.first[0], "sample", torch_rng(seed, "act")).action)
    require(torch.equal(*acts), "two actions in evaluation on the same observation differ")


def nothing_follows_a_termination(case: AgentCase) -> None:
    """Where the discount is 0, the next observation is not learned from; elsewhere it is."""
    if not isinstance(case.build()[0], ReplayAgent):
        return
    script = case.scripts(STEPS)[0]
    for discount in (0.0, 0.9):
        learned = []
        for turned in (False, True):
            agent, _ = case.build()
            rollout = collect(agent, case.render(script), torch_rng(23, "act"))
            learn(case, agent, rollout, case.signals(rollout), 0.0)
            batch = transitions(case, agent, rollout, case.signals(rollout))
            batch.extra["discount"] = torch.full_like(batch.extra["discount"], discount)
            if turned:
                batch.next_obs = {name: entry.flip(0) for name, entry in batch.next_obs.items()}
            _, misjudged = agent.update_batch(batch)
            learned.append(misjudged)
        differs, wanted = not torch.equal(*learned), discount > 0
        require(differs == wanted, f"with a discount of {discount} the next observation {_counts(differs)}")


def tells_how_wrong_it_was(case: AgentCase) -> None:
    """An error of at least 0 for each step, without a gradient, for priorities; larger where more is to learn."""
    agent, _ = case.build()
    if not isinstance(agent, ReplayAgent):
        return
    rollout = collect(agent, case.render(case.scripts(STEPS)[0]), torch_rng(23, "act"))
    batch = transitions(case, agent, rollout, case.signals(rollout))
    batch.extra["reward"][3] += 100.0
    _, misjudged = agent.update_batch(batch)
    require(misjudged.shape == batch.extra["reward"].shape, f"the errors have shape {tuple(misjudged.shape)}")
    require(bool(torch.isfinite(misjudged).all() and (misjudged >= 0).all()), "an error is negative or not finite")
    require(not misjudged.requires_grad, "the errors carry a gradient")
    require(int(misjudged.argmax()) == 3, "the step with the surprising reward is not the one misjudged most")


def weights_of_steps_count(case: AgentCase) -> None:
    """A step whose importance weight is 0 does not change the critic's loss, whatever its reward."""
    if not isinstance(case.build()[0], ReplayAgent):
        return
    losses = []
    for reward in (0.0, 10.0):
        agent, _ = case.build()
        rollout = collect(agent, case.render(case.scripts(STEPS)[0]), torch_rng(23, "act"))
        batch = transitions(case, agent, rollout, case.signals(rollout))
        batch.extra["weight"] = torch.ones_like(batch.extra["reward"])
        batch.extra["weight"][3], batch.extra["reward"][3] = 0.0, reward
        metrics, _ = agent.update_batch(batch)
        losses.append({name: float(value) for name, value in metrics.items()})
    require_equal(losses[0], losses[1], "what is learned from a step of weight 0")


def pays_anew_as_declared(case: RewardCase) -> None:
    """A scheme that pays replayed steps does so for each of its bonuses, finite, and remembers nothing of it."""
    scheme, context = case.build()
    if not getattr(scheme, "pays_anew", False):
        return
    for script in case.scripts()[:2]:
        rollout = case.render(script)
        scheme.compute(rollout)
        scheme.update(rollout)
    before, steps = saved(scheme, context), _steps(rollout)
    paid = scheme.rewards_of(steps)
    require_equal(before, saved(scheme, context), "the state after paying replayed steps")
    named, declared = set(paid), {spec.name for spec in scheme.streams} - {"task"}
    require(named == declared, f"rewards_of pays {sorted(named)} instead of {sorted(declared)}")
    for name, reward in paid.items():
        require(reward.shape == steps.action.shape[:1], f"rewards_of pays {name} in shape {tuple(reward.shape)}")
        require(bool(torch.isfinite(reward).all()), f"rewards_of pays {name} not finite")
        require(not reward.requires_grad, f"rewards_of: {name} carries a gradient")


def relabelling_leaves_the_episode(case: RewardCase) -> None:
    """Relabelled windows are copies: what was played, and so the task's return, stays as it was."""
    if not hasattr(case.build()[0], "relabel"):
        return
    assembler, made = EpisodeAssembler(NUM_ENVS, successors=True), 0
    for script in case.scripts():
        for episode in assembler.add(case.render(script)):
            for steps in (1, 3):
                before = {name: _copied(value) for name, value in vars(episode).items()}
                twice = [case.build()[0].relabel(episode, steps, np.random.default_rng(5)) for _ in range(2)]
                require_equal(before, vars(episode), "the episode that was relabelled")
                if twice[0] is None:
                    continue
                require_equal(vars(twice[0]), vars(twice[1]), "what a twin relabels")
                _require_windows(twice[0], steps)
                made += 1
    require(made > 0, "nothing was relabelled in any episode")


def goals_decide_what_is_relabelled(case: RewardCase) -> None:
    """In a world with goals, windows are the episode's own steps under one goal each, paid and ended as it decides."""
    scheme, context = case.build()
    if not (hasattr(scheme, "relabel") and case.spec.goals):
        return
    for steps in (1, 3):
        assembler = EpisodeAssembler(NUM_ENVS, successors=True)
        for episode in (found for script in case.scripts() for found in assembler.add(case.render(script))):
            windows = scheme.relabel(episode, steps, np.random.default_rng(3))
            if windows is not None:
                _require_one_goal(windows, episode, steps, context)


AGENT_LAWS: tuple[Callable[[AgentCase], None], ...] = (
    evaluation_does_not_explore,
    nothing_follows_a_termination,
    tells_how_wrong_it_was,
    weights_of_steps_count,
)
REWARD_LAWS: tuple[Callable[[RewardCase], None], ...] = (
    pays_anew_as_declared,
    relabelling_leaves_the_episode,
    goals_decide_what_is_relabelled,
)


def _counts(differs: bool) -> str:
    return "is learned from" if differs else "counts for nothing"


def _steps(rollout: Rollout) -> Transitions:
    """The steps of a rollout as they come from a buffer, full-state facts included."""

    def flat(entries: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
        return {f"{prefix}{name}": entry.flatten(0, 1) for name, entry in entries.items()}

    facts = flat(rollout.privileged, FACT)
    return Transitions(flat(rollout.obs), rollout.action.flatten(0, 1), facts, flat(rollout.next_obs))


def _require_windows(windows: Windows, steps: int) -> None:
    shape = tuple(windows.task_reward.shape)
    require(len(shape) == 2 and shape[0] == steps, f"windows of {steps} steps have shape {shape}")
    flat = {"action": windows.action, "terminated": windows.terminated, "truncated": windows.truncated}
    for name, entry in {**flat, **windows.obs, **windows.next_obs}.items():
        require(tuple(entry.shape[:2]) == shape, f"{name} of windows has shape {tuple(entry.shape)}")
    require(bool(torch.isfinite(windows.task_reward).all()), "a relabelled reward is not finite")


def _require_one_goal(windows: Windows, episode: Episode, steps: int, context: BuildContext) -> None:
    assert context.goal_outcome is not None
    count, length = windows.task_reward.shape[1], len(episode)
    goal = windows.obs["goal"]
    require(bool((goal == goal[0]).all()), "the goal changes within a window")
    require(torch.equal(goal, windows.next_obs["goal"]), "obs and next_obs show different goals")
    reward, terminated = context.goal_outcome(
        windows.next_obs["achieved"].flatten(0, 1).numpy(), goal.flatten(0, 1).numpy()
    )
    require_equal(torch.from_numpy(reward), windows.task_reward.flatten(), "the relabelled reward")
    require_equal(torch.from_numpy(terminated), windows.terminated.flatten(), "the relabelled termination")
    for window in range(count):
        starts = [t for t in range(length) if _same_steps(windows, window, 1, episode, t)]
        rows = [min(steps, length - t) for t in starts if _same_steps(windows, window, steps, episode, t)]
        require(bool(rows), "a window is no piece of the episode")
        ended = windows.terminated[: rows[0], window] | windows.truncated[: rows[0], window]
        require(bool(ended.any()) or rows[0] == steps, "a window runs over the episode's end")


def _same_steps(windows: Windows, window: int, rows: int, episode: Episode, start: int) -> bool:
    """Whether the first rows of a window, as far as the episode goes, are its steps from `start` on."""
    stop = min(start + rows, len(episode))
    names = [name for name in episode.obs if name != "goal"]
    return torch.equal(windows.action[: stop - start, window], episode.action[start:stop]) and all(
        torch.equal(mine[name][: stop - start, window], own[name][start:stop])
        for mine, own in ((windows.obs, episode.obs), (windows.next_obs, episode.next_obs))
        for name in names
    )


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value
