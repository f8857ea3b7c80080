"""The laws of what schemes do for agents that learn from replay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rewardlab.contracts.result import require
from rewardlab.contracts.reward_case import RewardCase
from rewardlab.contracts.state_laws import NUM_ENVS, require_equal, saved
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BaseScheme
from rewardlab.types import BuildContext, Episode, Rollout, Transitions, Windows


def pays_anew_as_declared(case: RewardCase) -> None:
    """A scheme that pays replayed steps does so for each of its bonuses, finite, and remembers nothing of it."""
    scheme, context = case.build()
    if not scheme.pays_anew:
        return
    for script in case.scripts()[:2]:
        rollout = case.render(script)
        scheme.compute(rollout)
        scheme.update(rollout)
    before, steps = saved(scheme, context), _steps(rollout)
    steps.extra |= {name: column.flatten(0, 1) for name, column in scheme.kept_of(rollout).items()}
    if scheme.waits_for_ends:
        steps = _ended(case, scheme)
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
    if not case.build()[0].relabels:
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
    if not (scheme.relabels and case.spec.goals):
        return
    for steps in (1, 3):
        assembler = EpisodeAssembler(NUM_ENVS, successors=True)
        for episode in (found for script in case.scripts() for found in assembler.add(case.render(script))):
            windows = scheme.relabel(episode, steps, np.random.default_rng(3))
            if windows is not None:
                _require_one_goal(windows, episode, steps, context)


REWARD_LAWS: tuple[Callable[[RewardCase], None], ...] = (
    pays_anew_as_declared,
    relabelling_leaves_the_episode,
    goals_decide_what_is_relabelled,
)


def _steps(rollout: Rollout) -> Transitions:
    """The steps of a rollout as they come from a buffer, full-state facts and the task's reward included."""

    def flat(entries: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
        return {f"{prefix}{name}": entry.flatten(0, 1) for name, entry in entries.items()}

    extra = flat(rollout.privileged, FACT) | {"task_reward": rollout.task_reward.flatten()}
    return Transitions(flat(rollout.obs), rollout.action.flatten(0, 1), extra, flat(rollout.next_obs))


def _ended(case: RewardCase, scheme: BaseScheme) -> Transitions:
    """The steps of an episode that ended, with what the scheme keeps of them."""
    assembler = EpisodeAssembler(NUM_ENVS, successors=True)
    episode = next(found for script in case.scripts() for found in assembler.add(case.render(script)))
    kept = scheme.of_episode(episode)
    for name, column in kept.items():
        require(len(column) == len(episode), f"of_episode keeps {name} of {len(column)} steps, not of {len(episode)}")
    return Transitions(episode.obs, episode.action, {"task_reward": episode.task_reward, **kept}, episode.next_obs)


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
