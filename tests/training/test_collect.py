"""The collector against a world and an agent simple enough to know every number in advance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.training.collect import Collector
from rewardlab.training.learning.on_policy import assess
from rewardlab.types import ActionSpec, ActOutput, Assessment, EnvSpec, ObsSpec, StepBatch


class Counting:
    """Environment i runs episodes of lengths[i] steps; the observation is (environment, episode, step).

    Reward is the step number. Even environments terminate, odd ones are truncated.
    """

    spec = EnvSpec("Counting", {"vector": ObsSpec((3,), "float32")}, ActionSpec(n=2), None, privileged=("where",))

    def __init__(self, lengths: list[int]) -> None:
        self.num_envs, self.lengths = len(lengths), np.array(lengths)

    def reset(self, seeds):
        self.episode = np.zeros(self.num_envs, dtype=np.int64)
        self.at = np.zeros(self.num_envs, dtype=np.int64)
        return self._obs()

    def step(self, action):
        self.at += 1
        reward = self.at.astype(np.float32)
        done = self.at == self.lengths
        next_obs, where = self._obs(), self.privileged()
        self.episode += done
        self.at[done] = 0
        odd = np.arange(self.num_envs) % 2 == 1
        return StepBatch(self._obs(), next_obs, reward, done & ~odd, done & odd, done & ~odd, where)

    def privileged(self):
        return {"where": self.episode * 1000 + self.at}

    def close(self):
        pass

    def _obs(self):
        columns = (np.arange(self.num_envs), self.episode, self.at)
        return {"vector": np.stack(columns, axis=1).astype(np.float32)}


class Remembering:
    """Its hidden state counts the frames of the episode; values are (a code of the observation, the hidden state)."""

    def __init__(self, recurrent: bool) -> None:
        self.recurrent = recurrent

    def initial_state(self, num_envs):
        return torch.zeros(num_envs, 1) if self.recurrent else None

    def act(self, obs, state, first, mode, rng):
        if state is not None:
            state = torch.where(first[:, None], 0.0, state) + 1
        return ActOutput(torch.zeros(len(first), dtype=torch.int64), state)

    def assess(self, rollout):
        first, action, state = (
            torch.cat([rollout.first, rollout.last_first[None]]),
            rollout.action,
            rollout.agent_state0,
        )
        obs = {name: torch.cat([entry, rollout.last_obs[name][None]]) for name, entry in rollout.obs.items()}
        hidden = torch.zeros(first.shape)
        for t, fresh in enumerate(first):
            if state is not None:
                state = torch.where(fresh[:, None], 0.0, state) + 1
                hidden[t] = state[:, 0]
        values = torch.stack((_code(obs), hidden), dim=-1)
        return Assessment(torch.zeros(action.shape), {"logits": torch.zeros(*action.shape, 2)}, values)

    def value(self, obs, state):
        hidden = torch.zeros(len(_code(obs))) if state is None else state[:, 0] + 1
        return torch.stack((_code(obs), hidden), dim=1)


def _code(obs):
    return obs["vector"] @ torch.tensor([10000.0, 100.0, 1.0])


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    rollouts=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    recurrent=st.booleans(),
)
def test_rollouts_equal_a_walk_by_hand(lengths, rollouts, recurrent):
    env = Counting(lengths)
    collector = Collector(env, Remembering(recurrent), [0] * len(lengths), 6, torch.device("cpu"))
    at, episode = [0] * len(lengths), [0] * len(lengths)
    for steps in rollouts:
        rollout = collector.collect(steps, torch.Generator())
        assess(collector.agent, rollout)
        for t in range(steps):
            for i, length in enumerate(lengths):
                here, after = (i, episode[i], at[i]), (i, episode[i], at[i] + 1)
                done = at[i] + 1 == length
                assert tuple(rollout.obs["vector"][t, i].tolist()) == here
                assert tuple(rollout.next_obs["vector"][t, i].tolist()) == after  # never the reset frame
                assert rollout.task_reward[t, i] == at[i] + 1
                assert bool(rollout.first[t, i]) == (at[i] == 0)
                assert bool(rollout.terminated[t, i]) == (done and i % 2 == 0)
                assert bool(rollout.truncated[t, i]) == (done and i % 2 == 1)
                assert rollout.current_privileged["where"][t, i] == episode[i] * 1000 + at[i]
                assert rollout.privileged["where"][t, i] == episode[i] * 1000 + at[i] + 1
                assert rollout.values[t, i, 0] == 10000 * i + 100 * episode[i] + at[i]
                assert rollout.final_values[t, i, 0] == 10000 * i + 100 * episode[i] + at[i] + 1
                if recurrent:  # frames of this episode seen so far, the successor's included, before any reset
                    assert rollout.values[t, i, 1] == at[i] + 1
                    assert rollout.final_values[t, i, 1] == at[i] + 2
                at[i], episode[i] = (0, episode[i] + 1) if done else (at[i] + 1, episode[i])
        for i in range(len(lengths)):
            assert tuple(rollout.last_obs["vector"][i].tolist()) == (i, episode[i], at[i])
            assert bool(rollout.last_first[i]) == (at[i] == 0)
            assert rollout.values[steps, i, 0] == 10000 * i + 100 * episode[i] + at[i]
            if recurrent:
                assert rollout.values[steps, i, 1] == at[i] + 1


def test_statistics_wait_for_every_environment():
    collector = Collector(Counting([1, 5]), Remembering(False), [0, 0], 4, torch.device("cpu"))
    collector.collect(4, torch.Generator())
    assert collector.statistics.means() is None
    collector.collect(1, torch.Generator())
    mean_return, success, length = collector.statistics.means()
    assert collector.statistics.episodes == 6
    assert mean_return == pytest.approx((5 * 1 + 15) / 6)  # five episodes that pay 1, one that pays 1 + ... + 5
    assert success == pytest.approx(5 / 6)
    assert length == pytest.approx((5 * 1 + 5) / 6)


@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4), rollouts=st.lists(st.integers(1, 6), min_size=1))
def test_a_delayed_reward_is_the_episodes_sum_at_its_end(lengths, rollouts):
    made = [
        Collector(Counting(lengths), Remembering(False), [0] * len(lengths), 6, torch.device("cpu"), delayed)
        for delayed in (False, True)
    ]
    owed = np.zeros(len(lengths))
    for steps in rollouts:
        plain, delayed = (collector.collect(steps, torch.Generator()) for collector in made)
        for t in range(steps):
            owed += plain.task_reward[t].numpy()
            assert delayed.task_reward[t].tolist() == np.where(plain.done[t], owed, 0.0).tolist()
            owed[plain.done[t].numpy()] = 0.0
        assert torch.equal(plain.done, delayed.done)
        assert torch.equal(plain.success, delayed.success)
    assert made[0].statistics.state_dict()["latest"] == made[1].statistics.state_dict()["latest"]
    assert made[1].state_dict()["owed"].tolist() == owed.tolist()


def test_a_clipped_reward_is_the_learner_s_alone_and_clipped_before_it_is_delayed():
    lengths = [5, 3]
    plain, clipped, both = (
        Collector(Counting(lengths), Remembering(False), [0, 0], 6, torch.device("cpu"), delayed, clipped=cuts)
        for delayed, cuts in ((False, False), (False, True), (True, True))
    )
    paid, cut, late = (each.collect(6, torch.Generator()) for each in (plain, clipped, both))
    assert paid.task_reward.max() > 1 and torch.equal(cut.task_reward, paid.task_reward.clamp(-1, 1))
    assert torch.equal(clipped.earned(cut), paid.task_reward)
    assert plain.statistics.state_dict()["latest"] == clipped.statistics.state_dict()["latest"]
    assert late.task_reward[4, 0] == 5 and late.task_reward[2, 1] == 3


def test_statistics_state_round_trip():
    collector = Collector(Counting([1, 2]), Remembering(False), [0, 0], 4, torch.device("cpu"))
    collector.collect(4, torch.Generator())
    other = Collector(Counting([1, 2]), Remembering(False), [0, 0], 4, torch.device("cpu"))
    other.statistics.load_state_dict(collector.statistics.state_dict())
    assert other.statistics.means() == collector.statistics.means()
    assert other.statistics.episodes == collector.statistics.episodes
