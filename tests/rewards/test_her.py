"""HER: a hand-made episode relabelled by hand, and goals drawn from where each strategy allows, and all of there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.envs.arrays import bitflip
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths.n_step import n_step_returns
from rewardlab.rewards.relabelling.her import Config, Scheme
from rewardlab.types import BuildContext, Episode, Windows

# Five steps on three bits, in pursuit of 111, which is never reached; 010 is met twice.
STATES = [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (0, 1, 1), (0, 1, 0)]
ACTIONS = [1, 2, 1, 1, 2]
GOAL = (1, 1, 1)


def context() -> BuildContext:
    env = bitflip.make(bitflip.Config(n=3), Levels(1))
    return replace(new_context(env.spec), goal_outcome=env.goal_outcome)


def scheme(**options) -> Scheme:
    return Scheme(Config(**options), context())


def episode(states=STATES, actions=ACTIONS, goal=GOAL) -> Episode:
    bits = torch.tensor(states, dtype=torch.float32)
    goals = torch.tensor(goal, dtype=torch.float32).repeat(len(actions), 1)
    reached = tuple(states[-1]) == tuple(goal)
    reward = torch.tensor([-1.0] * (len(actions) - 1) + [0.0 if reached else -1.0])

    def shown(entry: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"vector": entry, "goal": goals, "achieved": entry}

    return Episode(
        shown(bits[:-1]), torch.tensor(actions), reward, reached, not reached, reached, next_obs=shown(bits[1:])
    )


def steps_of(windows: Windows) -> list[int]:
    """Which step of the hand-made episode each window begins with; they differ in state, action or successor."""
    keys = [(STATES[t], ACTIONS[t], STATES[t + 1]) for t in range(len(ACTIONS))]
    return [
        keys.index(
            (
                tuple(windows.obs["vector"][0, w].int().tolist()),
                int(windows.action[0, w]),
                tuple(windows.next_obs["vector"][0, w].int().tolist()),
            )
        )
        for w in range(windows.action.shape[1])
    ]


def test_final_is_the_episode_as_if_its_last_state_had_been_the_goal() -> None:
    windows = scheme(strategy="final", k=7).relabel(episode(), 1, np.random.default_rng(0))
    assert steps_of(windows) == [0, 1, 2, 3, 4]  # one goal each, whatever k
    assert (windows.obs["goal"] == torch.tensor([0.0, 1.0, 0.0])).all()
    assert windows.task_reward.tolist() == [[0, -1, -1, -1, 0]]  # the goal was met after the first step already
    assert windows.terminated.tolist() == [[True, False, False, False, True]]
    assert windows.truncated.tolist() == [[False, False, False, False, True]]
    assert windows.next_obs["vector"][0, 4].tolist() == [0, 1, 0]  # the true successor of the last step


@pytest.mark.parametrize("strategy", ["future", "episode", "random"])
def test_goals_come_from_where_the_strategy_allows_and_from_all_of_there(strategy: str) -> None:
    windows = scheme(strategy=strategy, k=100).relabel(episode(), 1, np.random.default_rng(1))
    starts = steps_of(windows)
    assert [starts.count(t) for t in range(5)] == [100] * 5
    found: dict[int, set[tuple[int, ...]]] = {t: set() for t in range(5)}
    for w, start in enumerate(starts):
        goal = tuple(windows.obs["goal"][0, w].int().tolist())
        assert goal == tuple(windows.next_obs["goal"][0, w].int().tolist())
        found[start].add(goal)
        reached = STATES[start + 1] == goal
        assert windows.task_reward[0, w] == (0 if reached else -1)
        assert windows.terminated[0, w] == reached
        assert windows.truncated[0, w] == (start == 4)
    for t in range(5):
        assert found[t] == set(STATES[t + 1 if strategy == "future" else 1 :])


def test_goals_are_drawn_evenly() -> None:
    """Of the five successors of an episode, 010 and 011 come twice."""
    windows = [scheme(strategy="future", k=100).relabel(episode(), 1, np.random.default_rng(s)) for s in range(10)]
    goals = torch.cat([w.obs["goal"][0, :100] for w in windows])  # of the first step
    assert (goals == torch.tensor([0.0, 0.0, 1.0])).all(dim=1).float().mean() == pytest.approx(0.2, abs=0.05)
    assert (goals == torch.tensor([0.0, 1.0, 1.0])).all(dim=1).float().mean() == pytest.approx(0.4, abs=0.06)


def test_random_goals_are_of_other_episodes_too_and_the_oldest_are_forgotten() -> None:
    her, rng = scheme(strategy="random", k=100, memory=6), np.random.default_rng(2)
    first = her.relabel(episode(), 1, rng)
    other = [(1, 0, 0), (1, 0, 1), (1, 0, 0)]
    second = her.relabel(episode(other, [2, 2]), 1, rng)

    def goals(windows: Windows) -> set[tuple[int, ...]]:
        return {tuple(goal) for goal in windows.obs["goal"][0].int().tolist()}

    assert goals(first) == set(STATES[1:])
    # Six are remembered: of the first episode's five successors the oldest, 010, made room; it came again as the last.
    assert goals(second) == {*STATES[2:], *other[1:]}
    third = her.relabel(episode([(1, 1, 0)] * 8, [0] * 7), 1, rng)
    assert goals(third) == {(1, 1, 0)}


def test_several_steps_are_summed_up_to_the_goal_or_the_end() -> None:
    windows = scheme(strategy="final").relabel(episode(), 3, np.random.default_rng(0))
    gamma = 0.9
    returns, discount, reach = n_step_returns(windows.task_reward, windows.terminated, windows.truncated, gamma, 3)
    # Goal 010: step 0 reaches it; 1 and 2 do not within three steps, but 2 does in its third; 3 in its second.
    assert returns[0].tolist() == pytest.approx([0, -1 - 0.9 - 0.81, -1 - 0.9, -1, 0])
    assert discount[0].tolist() == pytest.approx([0, 0.9**3, 0, 0, 0])
    successors = windows.next_obs["vector"][reach[0], torch.arange(5)].int().tolist()
    assert [tuple(state) for state in successors] == [STATES[1], STATES[4], STATES[5], STATES[5], STATES[5]]


def test_the_end_of_an_episode_that_reached_its_own_goal_is_a_cut_for_another_goal() -> None:
    reached = episode(goal=(0, 1, 0))
    windows = scheme(strategy="random", k=50).relabel(reached, 2, np.random.default_rng(5))
    last = [w for w, start in enumerate(steps_of(windows)) if start == 4]
    elsewhere = [w for w in last if tuple(windows.obs["goal"][0, w].int().tolist()) != (0, 1, 0)]
    assert elsewhere and not windows.terminated[0, elsewhere].any() and windows.truncated[0, elsewhere].all()


def test_the_original_stays_as_it_was() -> None:
    original = episode()
    scheme(k=3).relabel(original, 2, np.random.default_rng(0))
    fresh = episode()
    assert torch.equal(original.obs["goal"], fresh.obs["goal"])
    assert torch.equal(original.task_reward, fresh.task_reward)


def test_a_saved_memory_is_gone_on_from() -> None:
    her, twin = scheme(strategy="random", memory=7), scheme(strategy="random", memory=7)
    her.relabel(episode(), 1, np.random.default_rng(0))
    twin.load_state_dict(her.state_dict())
    rngs = np.random.default_rng(1), np.random.default_rng(1)
    for one in (her, twin):
        one.relabel(episode([(1, 0, 0), (1, 0, 1), (1, 0, 0), (1, 1, 0)], [2, 2, 1]), 1, rngs[one is twin])
    again = [one.relabel(episode(), 1, np.random.default_rng(3)).obs["goal"] for one in (her, twin)]
    assert torch.equal(*again)


def test_an_environment_without_goals_is_refused_in_one_line() -> None:
    from rewardlab.training.build import build

    with pytest.raises(
        UserError, match=r"^reward=her: needs goals, which MiniGrid-DoorKey-5x5-v0 has not; use .*env=bitflip"
    ):
        build(compose(["env=doorkey_5x5", "reward=her"]).config)


def test_an_agent_without_replay_is_refused_in_one_line() -> None:
    from rewardlab.training.build import build

    with pytest.raises(UserError, match=r"^reward=her agent=ppo: relabels what is replayed"):
        build(compose(["env=bitflip", "reward=her", "agent=ppo"]).config)
