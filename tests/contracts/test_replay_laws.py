"""Each law of learning from replay is broken on purpose."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from rewardlab.agents.replay import dqn
from rewardlab.contracts.checking import check_class
from rewardlab.contracts.replay_laws import REWARD_LAWS
from rewardlab.contracts.ways import replay
from rewardlab.rewards.bonus import count
from rewardlab.rewards.relabelling import her
from rewardlab.types import ActOutput, Episode, Transitions, Windows


class Dqn(dqn.Agent):
    """DQN without a flaw."""


class ExploresInEvaluation(Dqn):
    def act(self, obs: Any, state: Any, first: Any, mode: str, rng: torch.Generator) -> ActOutput:
        return super().act(obs, state, first, "explore" if mode == "sample" else mode, rng)


class FollowsTerminations(Dqn):
    def update_batch(self, batch: Transitions) -> Any:
        kept = batch.extra | {"discount": torch.full_like(batch.extra["discount"], 0.97)}
        return super().update_batch(Transitions(batch.obs, batch.action, kept, batch.next_obs))


class FollowsNothing(Dqn):
    def update_batch(self, batch: Transitions) -> Any:
        kept = batch.extra | {"discount": torch.zeros_like(batch.extra["discount"])}
        return super().update_batch(Transitions(batch.obs, batch.action, kept, batch.next_obs))


class SignedErrors(Dqn):
    def update_batch(self, batch: Transitions) -> Any:
        metrics, misjudged = super().update_batch(batch)
        return metrics, misjudged - misjudged.mean()


class IgnoresWeights(Dqn):
    def update_batch(self, batch: Transitions) -> Any:
        kept = {name: column for name, column in batch.extra.items() if name != "weight"}
        return super().update_batch(Transitions(batch.obs, batch.action, kept, batch.next_obs))


class CountsWhatIsReplayed(count.Scheme):
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        self.visits.add(self.keys.reached_in(steps)[None])
        return super().rewards_of(steps)


class PaysTheTaskToo(count.Scheme):
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        return super().rewards_of(steps) | {"task": torch.zeros(len(steps.action))}


class Relabels(count.Scheme):
    """Soundly: every episode's first steps, paid 1."""

    relabels = True

    def relabel(self, episode: Episode, steps: int, rng: Any) -> Windows:
        rows = torch.arange(steps).clamp(max=len(episode) - 1)
        obs, next_obs = ({k: v[rows].unsqueeze(1) for k, v in e.items()} for e in (episode.obs, episode.next_obs))
        no = torch.zeros(steps, 1, dtype=torch.bool)
        return Windows(obs, next_obs, episode.action[rows].unsqueeze(1), torch.ones(steps, 1), no, no)


class RelabelsInPlace(Relabels):
    def relabel(self, episode: Episode, steps: int, rng: Any) -> Windows:
        episode.task_reward += 1.0
        return super().relabel(episode, steps, rng)


class PaysAnyGoal(her.Scheme):
    """Pays for the goals of hindsight what the task paid."""

    def relabel(self, episode: Episode, steps: int, rng: Any) -> Windows:
        windows = super().relabel(episode, steps, rng)
        return replace(windows, task_reward=torch.zeros_like(windows.task_reward))


class RelabelsWhole(Relabels):
    def relabel(self, episode: Episode, steps: int, rng: Any) -> Windows:
        return super().relabel(episode, len(episode) + 4, rng)


BROKEN = [
    ("agent", ExploresInEvaluation, "evaluation_does_not_explore", "two actions in evaluation"),
    ("agent", FollowsTerminations, "nothing_follows_a_termination", "with a discount of 0.0 the next observation is"),
    ("agent", FollowsNothing, "nothing_follows_a_termination", "with a discount of 0.9 the next observation counts"),
    ("agent", SignedErrors, "tells_how_wrong_it_was", "an error is negative"),
    ("agent", IgnoresWeights, "weights_of_steps_count", "a step of weight 0"),
    ("reward", CountsWhatIsReplayed, "pays_anew_as_declared", "the state after paying replayed steps"),
    ("reward", PaysTheTaskToo, "pays_anew_as_declared", "rewards_of pays"),
    ("reward", RelabelsInPlace, "relabelling_leaves_the_episode", "the episode that was relabelled"),
    ("her", PaysAnyGoal, "goals_decide_what_is_relabelled", "the relabelled reward differs"),
    ("reward", RelabelsWhole, "relabelling_leaves_the_episode", "windows of 1 steps have shape"),
]


@pytest.mark.parametrize(("group", "plugin", "law", "message"), BROKEN, ids=[case[1].__name__ for case in BROKEN])
def test_a_broken_one_fails_its_law(group: str, plugin: Any, law: str, message: str) -> None:
    configs = {"agent": dqn.Config(hidden=[16]), "reward": count.Config(key="simhash"), "her": her.Config()}
    kind = "agent" if group == "agent" else "reward"
    results = {result.law: result for result in check_class(kind, "broken", plugin, configs[group])}
    assert not results[law].passed
    assert message in results[law].message


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in (*replay.LAWS, *REWARD_LAWS)} == {law for _, _, law, _ in BROKEN}


def test_a_sound_relabelling_passes() -> None:
    results = {result.law: result for result in check_class("reward", "sound", Relabels, count.Config(key="simhash"))}
    assert results["relabelling_leaves_the_episode"].passed
