"""The laws of reward schemes. A law takes a case, and raises `Broken` where it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.made_up_policy import MadeUpPolicy
from rewardlab.contracts.result import Broken, require
from rewardlab.contracts.reward_case import STEPS, RewardCase
from rewardlab.contracts.state_laws import (
    GAMMA,
    NUM_ENVS,
    contents,
    global_seed,
    learned_weights,
    new_context,
    require_equal,
    restore,
    saved,
)
from rewardlab.contracts.worlds import Script, permuted, with_end, write_script
from rewardlab.types import Array, Judgement, Rollout

_TOLERANCE = 1e-4  # relative: sums in another order


def declares_streams(case: RewardCase) -> None:
    """The task's stream comes first, with the task's discount; names are unique, numbers sensible."""
    streams = case.build()[0].streams
    names = [spec.name for spec in streams]
    require(names[:1] == ["task"], f"the first stream is {names[:1]} instead of task")
    require(streams[0].gamma == GAMMA, f"the task's stream has gamma {streams[0].gamma} instead of context.gamma")
    require(len(set(names)) == len(names), f"stream names are not unique: {names}")
    for spec in streams:
        require(0 <= spec.gamma <= 1, f"stream {spec.name} has gamma {spec.gamma}")
        for progress in (0.0, 1.0):
            weight = spec.weight(progress)
            require(np.isfinite(weight), f"stream {spec.name} has the weight {weight} at {progress:.0%} of the budget")


def signals_are_finite_and_shaped(case: RewardCase) -> None:
    """Every declared stream, and no other, is a finite float32 [T, N] without a gradient."""
    scheme, _ = case.build()
    for script in case.scripts():
        rollout = case.render(script)
        signals = scheme.compute(rollout).streams
        declared = {spec.name for spec in scheme.streams}
        require(set(signals) == declared, f"paid {sorted(signals)}, declared {sorted(declared)}")
        for name, signal in signals.items():
            shape, expected = tuple(signal.shape), (rollout.steps, rollout.num_envs)
            require(shape == expected, f"stream {name} has shape {shape} instead of {expected}")
            require(signal.dtype == torch.float32, f"stream {name} is {signal.dtype} instead of float32")
            require(not signal.requires_grad, f"stream {name} carries a gradient")
            require(bool(torch.isfinite(signal).all()), f"stream {name} is not finite")
        scheme.update(rollout)


def task_stream_is_the_environments(case: RewardCase) -> None:
    """The task's stream equals the environment's reward, unless the scheme declares `replaces_task`."""
    scheme, _ = case.build()
    if scheme.replaces_task:
        return
    for script in case.scripts():
        rollout = case.render(script)
        paid = scheme.compute(rollout).streams["task"]
        same = torch.equal(paid, torch.from_numpy(script.task_reward))
        require(same, "the task's stream is not the environment's reward")
        scheme.update(rollout)


def same_seed_same_output(case: RewardCase) -> None:
    """Two schemes from one seed pay and learn the same, whatever the global random state."""
    runs = []
    for seed in (1, 2):
        with global_seed(seed):
            scheme, _ = case.build()
            runs.append([_iterate(scheme, case.render(script)) for script in case.scripts()])
    require_equal(runs[0], runs[1], "a second run")


def compute_leaves_weights(case: RewardCase) -> None:
    """`compute` trains nothing: that is for `update`."""
    scheme, _ = case.build()
    for script in case.scripts():
        rollout = case.render(script)
        before = learned_weights(scheme)
        scheme.compute(rollout)
        require_equal(before, learned_weights(scheme), "a learned weight after compute")
        scheme.update(rollout)


def rollout_is_left_alone(case: RewardCase) -> None:
    """Neither `compute` nor `update` changes the rollout: the agent learns from it too."""
    scheme, _ = case.build()
    script = case.scripts()[0]
    rollout, untouched = case.render(script), case.render(script)
    signals = scheme.compute(rollout)
    paid = {name: signal.clone() for name, signal in signals.streams.items()}
    scheme.update(rollout)
    require_equal(contents(untouched), contents(rollout), "the rollout")
    require_equal(paid, signals.streams, "what compute had returned")


def update_returns_declared_metrics(case: RewardCase) -> None:
    """`update` returns finite numbers under names in `metrics`: the columns are written before the first row."""
    scheme, _ = case.build()
    require(len(set(scheme.metrics)) == len(scheme.metrics), f"metric names are not unique: {scheme.metrics}")
    for script in case.scripts():
        rollout = case.render(script)
        scheme.compute(rollout)
        for name, value in scheme.update(rollout).items():
            require(name in scheme.metrics, f"update returned {name}, which metrics does not declare")
            require(bool(np.isfinite(value)), f"update returned {name}={value}")


def state_round_trips(case: RewardCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    scheme, context = case.build()
    first, second, third = (case.render(script) for script in case.scripts())
    _iterate(scheme, first)
    state = saved(scheme, context)
    expected = [_iterate(scheme, second), _iterate(scheme, third)]
    other_context = new_context(case.spec, seed=99)
    other = case.made(other_context)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    require_equal(expected, [_iterate(other, second), _iterate(other, third)], "what follows a restored state")


def planted_terms_are_sound(case: RewardCase) -> None:
    """Bonuses on advantages and value targets are float32 [T, N], losses finite scalars on steps of the world."""
    scheme, _ = case.build()
    for script in case.scripts():
        rollout = case.render(script)
        signals = scheme.compute(rollout)
        for name in ("advantage_bonus", "value_target_bonus"):
            bonus = getattr(signals, name)
            if bonus is None:
                continue
            shape, expected = tuple(bonus.shape), (rollout.steps, rollout.num_envs)
            require(shape == expected, f"{name} has shape {shape} instead of {expected}")
            require(bonus.dtype == torch.float32, f"{name} is {bonus.dtype} instead of float32")
            require(not bonus.requires_grad, f"{name} carries a gradient")
            require(bool(torch.isfinite(bonus).all()), f"{name} is not finite")
        for aux_loss in scheme.aux_losses():
            for batch in aux_loss.batches():
                for key, like in (("action", rollout.action), *rollout.obs.items()):
                    found = batch.action if key == "action" else batch.obs[key]
                    same = found.shape[1:] == like.shape[2:] and found.dtype == like.dtype
                    require(same, f"the loss {aux_loss.name} hands over {key} of other shape or type than the world's")
                loss = aux_loss.loss(batch, _judgement(batch.action.shape[0]))
                require(
                    loss.shape == () and bool(torch.isfinite(loss)), f"the loss {aux_loss.name} is no finite scalar"
                )
                require(loss.requires_grad, f"the loss {aux_loss.name} has no gradient")
        scheme.update(rollout)


def episode_ends_touch_one_environment(case: RewardCase) -> None:
    """An episode that ends in one environment changes no bonus in the others."""
    script = case.scripts()[0]
    end = next(t for t in range(STEPS // 3, STEPS) if not script.done[t].any())  # nobody else begins anew there
    plain, ended = case.bonuses(script), case.bonuses(with_end(script, end, 1))
    others = [env for env in range(NUM_ENVS) if env != 1]
    for name, bonus in plain.items():
        _require_close(bonus[:, others], ended[name][:, others], f"{name}: an episode's end in another environment")


def episodic_memory_clears(case: RewardCase) -> None:
    """A stream whose memory is of the episode alone pays an episode alike when it comes again, whatever beside it."""
    scheme = case.build()[0]
    clears = [spec.name for spec in scheme.streams if scheme.clears(spec.name)]
    if not clears:
        return
    half = STEPS // 2
    base = write_script(np.random.default_rng(13), case.spec, half, NUM_ENVS)
    quiet = np.zeros_like(base.terminated)
    terminated = np.concatenate([quiet, quiet])
    terminated[half - 1] = terminated[-1] = True
    shown = np.concatenate([base.shown[:-1], base.shown[:-1], base.shown[:1]])
    reached = np.concatenate([base.shown[1:], base.shown[1:]])
    first = np.concatenate([np.ones((1, NUM_ENVS), dtype=bool), terminated[:-1]])
    twice = Script(
        shown, reached, terminated, np.zeros_like(terminated), first, terminated[-1],
        np.concatenate([base.action, base.action]), np.concatenate([base.task_reward, base.task_reward]),
    )  # fmt: skip
    paid = case.bonuses(twice)
    for name in clears:
        bonus = paid[name]
        _require_close(bonus[:half], bonus[half:], f"{name}: the second of two equal episodes")


def environments_are_interchangeable(case: RewardCase) -> None:
    """Permuting the environments permutes the signals; shared memory takes whole vector steps in."""
    order = np.random.default_rng(17).permutation(NUM_ENVS).tolist()
    plain, shuffled = case.build()[0], case.build()[0]
    for script in case.scripts():
        expected = plain.compute(case.render(script)).streams
        paid = shuffled.compute(case.render(permuted(script, order))).streams
        for name, signal in expected.items():
            _require_close(signal[:, order], paid[name], f"{name}: permuted environments")


def last_step_is_paid_on_its_own_frame(case: RewardCase) -> None:
    """The bonus of a final step is for the true final observation, never for the reset frame.

    A scheme with `pays_prediction` pays before the outcome is known: it must not see the reset frame either. One that
    pays nothing until it was told of what it sees has learned from the script before; one that still pays no final step
    shows nothing.
    """
    script = case.scripts()[0]
    plain = case.bonuses(script)
    if not plain:
        return
    learned = None if any(bool(bonus.any()) for bonus in plain.values()) else script
    if learned is not None:
        plain = case.bonuses(script, learned)
    shown = script.shown.copy()
    shown[-1] = np.where(script.last_first, (shown[-1] + 1) % 8, shown[-1])  # other frames after the last step
    after_reset = case.bonuses(replace(script, shown=shown), learned)
    for name, bonus in plain.items():
        _require_close(bonus, after_reset[name], f"{name}: another frame after a reset")
    if case.build()[0].pays_prediction:
        return
    reached = np.where(script.done, script.shown[:-1], script.reached)  # the final frame is the one before it
    stayed = case.bonuses(replace(script, reached=reached), learned)
    ends = torch.from_numpy(script.done)[:-1]
    for name, bonus in plain.items():
        changed = bool((bonus[:-1] != stayed[name][:-1])[ends].any())
        rare = learned is not None and not bool(bonus[:-1][ends].any() or stayed[name][:-1][ends].any())
        require(
            changed or rare, f"{name}: pays the same for other final observations, so it looks elsewhere than next_obs"
        )


def shaping_leaves_the_best_policies(case: RewardCase) -> None:
    """A `potential_based` scheme pays gamma Phi(s') - Phi(s): the sum over an episode depends on its two ends alone.

    Phi is 0 in terminal states, that of the true successor where an episode is cut off, and gamma is the task's: so the
    discounted sum is -Phi(s0) after termination, and gamma^L Phi(sL) more after truncation. Phi itself is known from an
    episode that terminates at once.
    """
    if not case.build()[0].potential_based:
        return
    rng = np.random.default_rng(29)
    script = write_script(rng, case.spec, STEPS, NUM_ENVS)
    done = np.zeros((STEPS, NUM_ENVS), dtype=bool)
    done[-1] = True
    first = np.concatenate([done[-1:], done[:-1]])
    reached = np.concatenate([script.shown[1:-1], script.reached[-1:]])
    never = np.zeros_like(done)

    def sums(terminated: Array, truncated: Array) -> dict[str, torch.Tensor]:
        whole = replace(script, reached=reached, terminated=terminated, truncated=truncated, first=first)
        discounts = torch.tensor([GAMMA**t for t in range(STEPS)]).unsqueeze(-1)
        return {name: (discounts * bonus).sum(dim=0) for name, bonus in case.bonuses(whole).items()}

    def potential(states: Array) -> dict[str, torch.Tensor]:
        shown = script.shown.copy()
        shown[0] = states
        end = np.ones_like(done)
        at_once = replace(script, shown=shown, reached=reached, terminated=end, truncated=never, first=end)
        return {name: -bonus[0] for name, bonus in case.bonuses(at_once).items()}

    begin, last = potential(script.shown[0]), potential(reached[-1])
    terminated, truncated = sums(done, never), sums(never, done)
    for name in begin:
        _require_close(-begin[name], terminated[name], f"{name}: the sum over an episode that terminates")
        expected = GAMMA**STEPS * last[name] - begin[name]
        _require_close(expected, truncated[name], f"{name}: the sum over an episode that is cut off")


def learns_from_what_the_policy_says(case: RewardCase) -> None:
    """A scheme with `asks_policy` asks of steps of the world, in `update` alone, and learns from the answers."""
    if not case.build()[0].asks_policy:
        return
    learned = []
    for slope in (0.3, 3.0):
        scheme, _ = case.build()
        policy = MadeUpPolicy(case.spec, slope)
        scheme.take_policy(policy)
        for script in case.scripts():
            rollout, asked = case.render(script), policy.asked
            scheme.compute(rollout)
            require(policy.asked == asked, "asks in compute how likely the policy finds something: that is for update")
            scheme.update(rollout)
        learned.append(learned_weights(scheme))
    try:
        require_equal(learned[0], learned[1], "")
    except Broken:
        return
    raise Broken("learns the same whatever the policy says")


def shortened_rollouts_work(case: RewardCase) -> None:
    """The last rollout of a run is shorter, down to one step."""
    scheme, _ = case.build()
    before = None
    rng = np.random.default_rng(19)
    for steps in (STEPS, 3, 1):
        before = write_script(rng, case.spec, steps, NUM_ENVS, before)
        for name, signal in scheme.compute(case.render(before)).streams.items():
            shape = tuple(signal.shape)
            require(shape == (steps, NUM_ENVS), f"{name} has shape {shape} in a rollout of {steps} steps")
            require(bool(torch.isfinite(signal).all()), f"{name} is not finite in a rollout of {steps} steps")
        scheme.update(case.render(before))


LAWS: tuple[Callable[[RewardCase], None], ...] = (
    declares_streams,
    signals_are_finite_and_shaped,
    task_stream_is_the_environments,
    same_seed_same_output,
    compute_leaves_weights,
    rollout_is_left_alone,
    update_returns_declared_metrics,
    planted_terms_are_sound,
    state_round_trips,
    episode_ends_touch_one_environment,
    episodic_memory_clears,
    environments_are_interchangeable,
    last_step_is_paid_on_its_own_frame,
    shaping_leaves_the_best_policies,
    learns_from_what_the_policy_says,
    shortened_rollouts_work,
)


def _iterate(scheme: Any, rollout: Rollout) -> list[Any]:
    """One iteration of training: the signals, the steps and values of the losses handed over, the metrics."""
    signals = scheme.compute(rollout)
    found: list[Any] = [{name: signal.clone() for name, signal in signals.streams.items()}]
    found += [
        None if bonus is None else bonus.clone() for bonus in (signals.advantage_bonus, signals.value_target_bonus)
    ]
    for aux_loss in scheme.aux_losses():
        for batch in aux_loss.batches():
            loss = aux_loss.loss(batch, _judgement(batch.action.shape[0]))
            found.append([dict(batch.obs), batch.action, dict(batch.extra), float(loss.detach())])
    return [*found, dict(scheme.update(rollout))]


def _judgement(steps: int) -> Judgement:
    """A made-up agent's, with a gradient, and a value between the returns that scripts give."""
    weight = torch.full((steps,), 0.1, requires_grad=True)
    return Judgement(log_prob=weight - 2.0, entropy=weight + 1.0, task_value=weight * 2.0)


def _require_close(expected: torch.Tensor, found: torch.Tensor, what: str) -> None:
    expected, found = expected.detach(), found.detach()
    gap = float((expected - found).abs().max())
    scale = float(expected.abs().max())
    if gap > _TOLERANCE * max(scale, 1e-6):
        raise Broken(f"{what}: differs by {gap:.3g} where bonuses go up to {scale:.3g}")
