"""Each law of agents is broken on purpose."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rewardlab.agents.on_policy import ppo
from rewardlab.contracts.agent_laws import LAWS
from rewardlab.contracts.checking import check_class
from rewardlab.contracts.ways import on_policy
from rewardlab.types import MASK, ActOutput, Assessment, BuildContext, Metrics, Rollout, Signals, State, StreamSpec


class Ppo(ppo.Agent):
    """PPO without a flaw."""


class ActsOutOfRange(Ppo):
    def act(self, *args: Any) -> ActOutput:
        output = super().act(*args)
        output.action = output.action + 7
        return output


class TakesWhatIsForbidden(Ppo):
    obeys_masks = True

    def act(self, obs: Any, *args: Any) -> ActOutput:
        return super().act({name: entry for name, entry in obs.items() if name != MASK}, *args)


class LeavesOutTheLastRow(Ppo):
    def assess(self, *args: Any) -> Assessment:
        assessment = super().assess(*args)
        return replace(assessment, values=assessment.values[:-1])


class GlobalRandomness(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        signals.streams["task"] = signals.streams["task"] + torch.rand(signals.streams["task"].shape)
        return super().update(rollout, signals, progress)


class GreedySamples(Ppo):
    def act(self, obs: Any, state: Any, first: Any, mode: str, rng: torch.Generator) -> ActOutput:
        return super().act(obs, state, first, "sample", rng)


class CountsItsActs(Ppo):
    acts = 0

    def act(self, *args: Any) -> ActOutput:
        self.acts += 1
        return super().act(*args)

    def state_dict(self) -> State:
        return super().state_dict() | {"acts": self.acts}


class CountsWhatItValues(Ppo):
    valued = 0

    def value(self, obs: Any, state: Any) -> torch.Tensor:
        self.valued += 1
        return super().value(obs, state)

    def state_dict(self) -> State:
        return super().state_dict() | {"valued": self.valued}


class NeverLearns(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        before = {name: value.clone() for name, value in self.policy_state_dict().items()}
        metrics = super().update(rollout, signals, progress)
        self.load_policy_state_dict(before)
        return metrics


class UndeclaredMetric(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        return super().update(rollout, signals, progress) | {"loss/other": 0.0}


class TaskOnly(Ppo):
    """Computes advantages before the bonus is added."""

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        streams = signals.streams | {"intrinsic": torch.zeros_like(signals.streams["task"])}
        return super().update(rollout, replace(signals, streams=streams), progress)


class NoAdvantageBonus(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        return super().update(rollout, Signals(signals.streams), progress)


class DropsTheLosses(Ppo):
    def take_aux_losses(self, losses: Any) -> None:
        self.metrics += tuple(f"loss/{loss.name}" for loss in losses)


class CountsNoAuxSteps(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        metrics = super().update(rollout, signals, progress)
        self._updates -= 20 * len(self._aux_losses)
        return metrics


class TellsTheLikeliest(Ppo):
    def log_prob(self, obs: Any, action: torch.Tensor) -> torch.Tensor:
        return super().log_prob(obs, torch.zeros_like(action))


class NeverFades(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        return super().update(rollout, signals, 0.0)


class ClipsTheSignals(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        metrics = super().update(rollout, signals, progress)
        signals.streams["intrinsic"].clamp_(max=0.01)
        return metrics


class ForgetsItsOptimiser(Ppo):
    def load_state_dict(self, state: State) -> None:
        fresh = self.optimiser.state_dict()
        super().load_state_dict(state)
        self.optimiser.load_state_dict(fresh)


class NumpyInState(Ppo):
    def state_dict(self) -> State:
        return super().state_dict() | {"spread": np.float64(1.0)}


class HalfAPolicy(Ppo):
    def load_policy_state_dict(self, state: State) -> None:
        pass


class NeedsTwoSteps(Ppo):
    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        if rollout.steps < 2:
            raise IndexError("too short")
        return super().update(rollout, signals, progress)


BROKEN = [
    (ActsOutOfRange, "acts_as_declared", "out of range"),
    (TakesWhatIsForbidden, "keeps_to_what_is_allowed", "takes forbidden actions, to explore"),
    (LeavesOutTheLastRow, "assesses_as_declared", "values has shape"),
    (GlobalRandomness, "same_seed_same_result", "a second run"),
    (GreedySamples, "greedy_is_deterministic", "greedy actions"),
    (CountsItsActs, "acting_changes_nothing", "acts is 3 instead of 0"),
    (CountsWhatItValues, "valuing_changes_nothing", "valued is 1 instead of 0"),
    (NeverLearns, "update_changes_the_policy", "gradient steps changed nothing"),
    (UndeclaredMetric, "update_changes_the_policy", "loss/other"),
    (TaskOnly, "planted_bonus_changes_the_policy", "planted bonus changed nothing"),
    (NoAdvantageBonus, "planted_advantage_changes_the_policy", "planted advantage_bonus changed nothing"),
    (DropsTheLosses, "aux_losses_are_learned", "not among the metrics"),
    (CountsNoAuxSteps, "aux_losses_are_learned", "0 steps were counted"),
    (TellsTheLikeliest, "tells_log_prob_as_it_assesses", "from what assess says"),
    (NeverFades, "weights_follow_the_budget", "a bonus that fades changes what is learned at 100%"),
    (ClipsTheSignals, "rollout_is_left_alone", "intrinsic differs"),
    (ForgetsItsOptimiser, "state_round_trips", "the restored state"),
    (NumpyInState, "state_round_trips", "is a float64"),
    (HalfAPolicy, "policy_round_trips", "restored policy"),
    (NeedsTwoSteps, "shortened_rollouts_work", "IndexError: too short"),
]


@pytest.mark.parametrize(("agent", "law", "message"), BROKEN, ids=[agent.__name__ for agent, *_ in BROKEN])
def test_a_broken_agent_fails_its_law(agent: type[Ppo], law: str, message: str) -> None:
    results = {result.law: result for result in check_class("agent", "broken", agent, ppo.Config(hidden=[16]))}
    assert not results[law].passed
    assert message in results[law].message


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in (*LAWS, *on_policy.LAWS)} == {law for _, law, _ in BROKEN}


def test_an_agent_that_refuses_a_second_stream_is_tested_with_one() -> None:
    class TaskAlone(Ppo):
        def __init__(self, config: ppo.Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
            from rewardlab.errors import UserError

            if len(streams) > 1:
                raise UserError("one stream only")
            super().__init__(config, context, streams)

    assert all(result.passed for result in check_class("agent", "alone", TaskAlone, ppo.Config(hidden=[16])))
