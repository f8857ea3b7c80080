"""Each law of reward schemes is broken on purpose, by a scheme that breaks it and as little else as can be."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn

from rewardlab.contracts import check
from rewardlab.contracts.checking import check_class
from rewardlab.contracts.reward_laws import LAWS
from rewardlab.contracts.state_laws import GAMMA
from rewardlab.errors import UserError
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.types import (
    AuxLoss,
    BuildContext,
    Judgement,
    LogProb,
    Metrics,
    Rollout,
    Signals,
    State,
    StreamSpec,
    Transitions,
)


@dataclass
class Config(BonusConfig):
    pass


class Sound(BonusScheme):
    """Breaks no law: a learned bonus plus the number of steps in the episode."""

    metrics = ("loss/sound",)
    stateful = ("network", "optimiser")
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        size = sum(entry.shape[0] * (entry.shape[1] * 3 if len(entry.shape) > 1 else 1) for entry in self.entries())
        self.network = nn.Linear(size, 1)
        nn.init.normal_(self.network.weight, std=0.1, generator=context.generator)
        nn.init.zeros_(self.network.bias)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=1e-2)
        self.age = torch.zeros(context.num_envs)

    def entries(self) -> list[Any]:
        return list(self.context.spec.obs.values())

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        ages = []
        for first in rollout.first:
            self.age = torch.where(first, 0.0, self.age) + 1.0
            ages.append(self.age)
        return self.score(self.successors(rollout)) + torch.stack(ages)

    def successors(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        return rollout.next_obs

    def score(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        flat = torch.cat([entry.flatten(2).float() / 10 for entry in obs.values()], dim=-1)
        return self.network(flat).squeeze(-1).tanh()

    def update(self, rollout: Rollout) -> Metrics:
        loss = (self.score(rollout.next_obs) - 1).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss/sound": float(loss.detach())}

    def state_dict(self) -> State:
        return super().state_dict() | {"age": self.age.clone()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.age = state["age"].clone()


class StreamTwice(Sound):
    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.streams = (*self.streams, StreamSpec("intrinsic", 0.9))


class OwnDiscount(Sound):
    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.streams = (replace(self.streams[0], gamma=0.99), *self.streams[1:])


class NotFinite(Sound):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return (super().bonus(rollout) - 1).log()


class Undeclared(Sound):
    def compute(self, rollout: Rollout) -> Signals:
        signals = super().compute(rollout)
        return Signals(signals.streams | {"extra": signals.streams["task"]})


class WithGradient(Sound):
    def compute(self, rollout: Rollout) -> Signals:
        return Signals({"task": rollout.task_reward, "intrinsic": self.bonus(rollout)})


class ChangedTask(Sound):
    def compute(self, rollout: Rollout) -> Signals:
        signals = super().compute(rollout)
        return Signals(signals.streams | {"task": rollout.task_reward + signals.streams["intrinsic"]})


class GlobalRandomness(Sound):
    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        nn.init.normal_(self.network.weight)


class LearnsInCompute(Sound):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        with torch.enable_grad():
            self.update(rollout)
        return super().bonus(rollout)


class ScalesTheRollout(Sound):
    def update(self, rollout: Rollout) -> Metrics:
        rollout.task_reward *= 0.5
        return super().update(rollout)


class UndeclaredMetric(Sound):
    def update(self, rollout: Rollout) -> Metrics:
        return super().update(rollout) | {"loss/other": 0.0}


class BonusPerEnvironment(Sound):
    def compute(self, rollout: Rollout) -> Signals:
        return replace(super().compute(rollout), advantage_bonus=torch.ones(rollout.num_envs))


class LossWithoutGradient(Sound):
    name = "frozen"

    def compute(self, rollout: Rollout) -> Signals:
        self.steps = Transitions({name: entry[0] for name, entry in rollout.obs.items()}, rollout.action[0])
        return super().compute(rollout)

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return (self,)

    def batches(self) -> list[Transitions]:
        return [self.steps]

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return judgement.log_prob.mean().detach()


class ForgetsItsAge(Sound):
    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state | {"age": torch.zeros_like(state["age"])})


class ForgetsItsOptimiser(Sound):
    stateful = ("network",)


class ArrayInState(Sound):
    def state_dict(self) -> State:
        return super().state_dict() | {"array": self.age.numpy()}


class ClearsEverybody(Sound):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return super().bonus(replace(rollout, first=rollout.first.any(dim=1, keepdim=True).expand_as(rollout.first)))


class NeverClears(Sound):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return super().bonus(replace(rollout, first=torch.zeros_like(rollout.first)))


class OrderMatters(Sound):
    """Counts one environment after another within a time step."""

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return super().bonus(rollout) + torch.arange(rollout.num_envs).float()


class PaysTheResetFrame(Sound):
    def successors(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        return {name: torch.cat([rollout.obs[name][1:], entry[None]]) for name, entry in rollout.last_obs.items()}


class PaysTheResetFrameWithinRollouts(Sound):
    def successors(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        return {name: torch.cat([rollout.obs[name][1:], entry[-1:]]) for name, entry in rollout.next_obs.items()}


class Shaped(Sound):
    """Sound shaping by a potential that is the sum of the observation."""

    potential_based = True
    gamma = GAMMA

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        before, after = self.total(rollout.obs), self.total(rollout.next_obs)
        return self.gamma * self.at_end(after, rollout) - before

    def at_end(self, after: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return after.masked_fill(rollout.terminated, 0.0)

    def total(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([entry.flatten(2).float().mean(dim=2) for entry in obs.values()]).sum(dim=0)


class ShapedTerminal(Shaped):
    """Pays the potential of terminal states too."""

    def at_end(self, after: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return after


class ShapedTruncation(Shaped):
    """Takes a time limit for an end."""

    def at_end(self, after: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return after.masked_fill(rollout.done, 0.0)


class ShapedOwnDiscount(Shaped):
    gamma = 1.0


class Asks(Sound):
    """Takes what the policy says of steps for the target of its bonus."""

    asks_policy = True

    def take_policy(self, log_prob: LogProb) -> None:
        self.log_prob = log_prob

    def update(self, rollout: Rollout) -> Metrics:
        obs = {name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}
        told = self.log_prob(obs, rollout.action.flatten(0, 1)).view_as(rollout.task_reward)
        loss = (self.score(rollout.next_obs) - told).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {"loss/sound": float(loss.detach())}


class AsksTooEarly(Asks):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        self.log_prob({name: entry[0] for name, entry in rollout.obs.items()}, rollout.action[0])
        return super().bonus(rollout)


class AsksOfRollouts(Asks):
    def update(self, rollout: Rollout) -> Metrics:
        self.log_prob(rollout.obs, rollout.action)
        return super().update(rollout)


class DoesNotListen(Asks):
    def update(self, rollout: Rollout) -> Metrics:
        return Sound.update(self, rollout)


class FixedLength(Sound):
    def bonus(self, rollout: Rollout) -> torch.Tensor:
        bonus = super().bonus(rollout)
        return bonus / bonus.std(dim=0, unbiased=False).clamp(min=0 if rollout.steps == 1 else 1)


BROKEN = [
    (StreamTwice, "declares_streams", "not unique"),
    (OwnDiscount, "declares_streams", "instead of context.gamma"),
    (NotFinite, "signals_are_finite_and_shaped", "not finite"),
    (Undeclared, "signals_are_finite_and_shaped", "declared"),
    (WithGradient, "signals_are_finite_and_shaped", "carries a gradient"),
    (ChangedTask, "task_stream_is_the_environments", "not the environment's reward"),
    (GlobalRandomness, "same_seed_same_output", "a second run"),
    (LearnsInCompute, "compute_leaves_weights", "after compute"),
    (ScalesTheRollout, "rollout_is_left_alone", "task_reward differs"),
    (UndeclaredMetric, "update_returns_declared_metrics", "loss/other"),
    (BonusPerEnvironment, "planted_terms_are_sound", "advantage_bonus has shape (4,)"),
    (LossWithoutGradient, "planted_terms_are_sound", "no gradient"),
    (ForgetsItsAge, "state_round_trips", "age differs"),
    (ForgetsItsOptimiser, "state_round_trips", "what follows a restored state"),
    (ArrayInState, "state_round_trips", "is a ndarray"),
    (ClearsEverybody, "episode_ends_touch_one_environment", "another environment"),
    (NeverClears, "episodic_memory_clears", "equal episodes"),
    (OrderMatters, "environments_are_interchangeable", "permuted environments"),
    (PaysTheResetFrame, "last_step_is_paid_on_its_own_frame", "another frame after a reset"),
    (PaysTheResetFrameWithinRollouts, "last_step_is_paid_on_its_own_frame", "looks elsewhere than next_obs"),
    (ShapedTerminal, "shaping_leaves_the_best_policies", "an episode that terminates"),
    (ShapedTruncation, "shaping_leaves_the_best_policies", "an episode that is cut off"),
    (ShapedOwnDiscount, "shaping_leaves_the_best_policies", "an episode that terminates"),
    (AsksTooEarly, "learns_from_what_the_policy_says", "asks in compute"),
    (AsksOfRollouts, "learns_from_what_the_policy_says", "asked the policy of"),
    (DoesNotListen, "learns_from_what_the_policy_says", "learns the same whatever the policy says"),
    (FixedLength, "shortened_rollouts_work", "rollout of 1 steps"),
]


def test_a_sound_scheme_passes_every_law() -> None:
    assert all(result.passed for result in check_class("reward", "sound", Sound, Config()))


def test_a_scheme_that_asks_the_policy_passes_every_law() -> None:
    assert all(result.passed for result in check_class("reward", "asks", Asks, Config()))


def test_sound_shaping_passes_its_law() -> None:
    results = {result.law: result for result in check_class("reward", "shaped", Shaped, Config())}
    assert results["shaping_leaves_the_best_policies"].passed


@pytest.mark.parametrize(("scheme", "law", "message"), BROKEN, ids=[scheme.__name__ for scheme, *_ in BROKEN])
def test_a_broken_scheme_fails_its_law(scheme: type[Sound], law: str, message: str) -> None:
    results = {result.law: result for result in check_class("reward", "broken", scheme, Config())}
    assert not results[law].passed
    assert message in results[law].message
    assert "\n" not in results[law].message


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in LAWS} == {law for _, law, _ in BROKEN}


def test_a_scheme_that_fits_no_world_says_why() -> None:
    class Refuses(Sound):
        def __init__(self, config: Config, context: BuildContext) -> None:
            raise UserError("reward=refuses: needs sound")

    with pytest.raises(UserError, match=r"fits none of the made-up worlds .*needs sound"):
        check_class("reward", "refuses", Refuses, Config())


def test_a_scheme_that_crashes_fails_its_laws_and_says_how() -> None:
    class Crashes(Sound):
        def compute(self, rollout: Rollout) -> Signals:
            raise ZeroDivisionError("of all things")

    results = check_class("reward", "crashes", Crashes, Config())
    failed = [result for result in results if not result.passed]
    assert len(failed) > 5
    assert "ZeroDivisionError: of all things" in failed[0].message


def test_groups_without_laws_are_refused() -> None:
    with pytest.raises(UserError, match="only env, reward, agent, curriculum have laws"):
        check("logger", "wandb", Config())
