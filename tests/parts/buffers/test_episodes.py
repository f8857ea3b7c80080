"""Episodes put together from rollouts of any length, against a walk through time."""

import pytest
import torch
from made_up_world import play

from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.types import Episode


def by_hand(rollouts):
    """Every step of every environment in the order of time, cut where episodes end."""
    begun, ended = [[] for _ in range(rollouts[0].num_envs)], []
    for rollout in rollouts:
        found = []
        for t in range(rollout.steps):
            for env in range(rollout.num_envs):
                if rollout.first[t, env]:
                    begun[env] = []
                begun[env].append(
                    (rollout.obs["image"][t, env].clone(), rollout.action[t, env], rollout.task_reward[t, env])
                )
                if rollout.done[t, env]:
                    found.append((begun[env], bool(rollout.terminated[t, env]), bool(rollout.truncated[t, env])))
                    begun[env] = []
        ended.append(found)
    return ended


def same(episode: Episode, expected) -> None:
    steps, terminated, truncated = expected
    assert torch.equal(episode.obs["image"], torch.stack([step[0] for step in steps]))
    assert torch.equal(episode.action, torch.stack([step[1] for step in steps]))
    assert torch.equal(episode.task_reward, torch.stack([step[2] for step in steps]))
    assert (episode.terminated, episode.truncated, len(episode)) == (terminated, truncated, len(steps))


@pytest.mark.parametrize("lengths", [(1, 24, 3, 40), (1,) * 60])
def test_episodes_that_outlast_rollouts_are_whole(lengths: tuple[int, ...]):
    rollouts = play(5, *lengths)
    assembler = EpisodeAssembler(4)
    across = False
    for rollout, expected in zip(rollouts, by_hand(rollouts), strict=True):
        found = assembler.add(rollout)
        assert len(found) == len(expected)
        for episode, steps in zip(found, expected, strict=True):
            same(episode, steps)
            across |= len(episode) > rollout.steps
        rollout.obs["image"].zero_()  # the collector writes the next rollout into the same memory
        rollout.task_reward.zero_()
    assert across


def test_a_new_beginning_drops_what_never_ended():
    one, two = play(5, 12)
    assembler = EpisodeAssembler(4)
    assembler.add(one)
    two.first[0] = True
    expected = by_hand([two])[0]
    for episode, steps in zip(assembler.add(two), expected, strict=True):
        same(episode, steps)


def test_its_state_goes_on_where_it_was():
    one, two = play(7, 30)
    assembler, other = EpisodeAssembler(4), EpisodeAssembler(4)
    assembler.add(one)
    other.load_state_dict(assembler.state_dict())
    for left, right in zip(assembler.add(two), other.add(two), strict=True):
        assert torch.equal(left.obs["image"], right.obs["image"]) and len(left) == len(right)
