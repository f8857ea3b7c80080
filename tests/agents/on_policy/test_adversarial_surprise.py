"""Adversarial Surprise: everything that its learners are handed, beside loops that follow the definition."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch

from rewardlab.agents.on_policy.advantages import head_advantages
from rewardlab.agents.on_policy.adversarial_surprise import Agent, Config
from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.schemas import check
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.training.build import build
from rewardlab.training.collect import Collector
from rewardlab.training.learning.on_policy import assess
from rewardlab.types import ActionSpec, ActOutput, BuildContext, EnvSpec, ObsSpec, Signals, StepBatch, StreamSpec

GAMMA, LAMBDA = 0.99, 0.95
TASK = StreamSpec("task", GAMMA)


class Rooms:
    """Views that name environment, episode and step, or that never change; episodes of given lengths."""

    def __init__(self, num_envs, lengths, constant=False):
        self.num_envs, self.lengths, self.constant = num_envs, lengths, constant
        self.spec = EnvSpec("Rooms", {"image": ObsSpec((7, 7, 3), "uint8", 10)}, ActionSpec(n=3), max(lengths))
        self.rng = np.random.default_rng(5)
        self.played = defaultdict(list)  # (environment, episode) -> views, from the first to the last
        self.paid = defaultdict(list)

    def reset(self, seeds):
        self.episode, self.steps = np.zeros((2, self.num_envs), dtype=int)
        return {"image": np.stack([self.show(i) for i in range(self.num_envs)])}

    def step(self, action):
        self.steps += 1
        reward = self.rng.random(self.num_envs).astype(np.float32)
        after = np.stack([self.show(i) for i in range(self.num_envs)])
        done = np.array([self.steps[i] == self.length(i) for i in range(self.num_envs)])
        for i in range(self.num_envs):
            self.paid[i, self.episode[i]].append(reward[i])
        obs = after.copy()
        for i in np.flatnonzero(done):
            self.episode[i], self.steps[i] = self.episode[i] + 1, 0
            obs[i] = self.show(i)
        cut = done & (np.arange(self.num_envs) % 2 == 0)
        return StepBatch({"image": obs}, {"image": after}, reward, done & ~cut, cut, np.zeros_like(done))

    def length(self, i):
        return self.lengths[(self.episode[i] + i) % len(self.lengths)]

    def show(self, i):
        view = np.full((7, 7, 3), 4) if self.constant else self.rng.integers(11, size=(7, 7, 3)) % 3
        if not self.constant:
            view[0, :3, 0] = i, self.episode[i], self.steps[i] // 10
            view[0, 3, 0] = self.steps[i] % 10
        self.played[i, self.episode[i]].append(view)
        return view.astype(np.uint8)

    def privileged(self):
        return {}


def play(env, rollouts, steps, **options):
    """Let an agent learn; what its two learners were handed: by rollout, player -> (rollout, signals)."""
    options = {"epochs": 1, "learning_rate": 1e-30, "hidden": [8]} | options
    context = BuildContext(
        env.spec, env.num_envs, torch.device("cpu"), torch_rng(0, "agent"), numpy_rng(0, "agent"), GAMMA
    )
    agent = Agent(Config(**options), context, (TASK,))
    collector = Collector(env, agent, [0] * env.num_envs, steps, torch.device("cpu"))
    handed, told, rng = [], [], torch_rng(0, "act")
    for _ in range(rollouts):
        given = {}
        for player in ("explore", "control"):
            spy(getattr(agent, player), given, player)
        rollout = collector.collect(steps, rng)
        assess(agent, rollout)
        told.append(agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0))
        handed.append(given)
        for player in ("explore", "control"):
            del getattr(agent, player).update
    return agent, handed, told


def spy(learner, given, player):
    update = type(learner).update

    def recorded(rollout, signals, progress):
        given[player] = (rollout, signals)
        return update(learner, rollout, signals, progress)

    learner.update = recorded


def deviation(rewards, num_envs):
    """Of the discounted sums of rewards [T][N] so far, by hand."""
    running, seen = [0.0] * num_envs, []
    for row in rewards:
        running = [GAMMA * before + reward for before, reward in zip(running, row, strict=True)]
        seen += running
    return float(np.std(seen))


def test_a_view_that_never_changes_surprises_once() -> None:
    env = Rooms(2, [128], constant=True)
    _, (handed,), (told,) = play(env, 1, 128)
    once = -147 * math.log(12)
    assert once == pytest.approx(-365.28, abs=0.005)
    scale = deviation([[once * (t == 48)] * 2 for t in range(128)], 2)
    assert told["surprise/scale"] == pytest.approx(scale, rel=1e-5)
    assert told["surprise/control_mean"] == pytest.approx(once / 32, rel=1e-5)
    paid = {player: signals.streams["surprise"][:, 0].view(2, 64) for player, (_, signals) in handed.items()}
    for i in range(2):
        expected = torch.zeros(2, 64)
        expected[0, 31], expected[1, 16] = -once / scale, once / scale
        torch.testing.assert_close(paid["explore"][i], expected[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(paid["control"][i], expected[1], rtol=1e-5, atol=1e-6)
    for rollout, _ in handed.values():
        assert rollout.terminated[:, 0].tolist() == ([False] * 63 + [True]) * 2  # a time limit is an end
        assert not rollout.truncated.any()


def test_all_that_is_learned_from_is_what_the_definition_says() -> None:
    """Turns of 4 in episodes of 3 to 23 steps, cut by rollouts of 7: payments, observations, advantages, and when."""
    turn, steps, num_envs = 4, 7, 3
    env = Rooms(num_envs, [23, 3, 8, 14, 19, 6])
    agent, handed, _ = play(env, 12, steps, turn_steps=turn)
    of_time = schedule(env, 12 * steps)  # environment -> (episode, step) at each time
    raw = {key: densities(views, turn) for key, views in env.played.items()}
    rewards = [[raw[i, of_time[i][t][0]][of_time[i][t][1]] for i in range(num_envs)] for t in range(12 * steps)]
    scales = [deviation(rewards[: (k + 1) * steps], num_envs) for k in range(12)]
    normalised = {
        (i, *of_time[i][t]): rewards[t][i] / scales[t // steps] for i in range(num_envs) for t in range(12 * steps)
    }
    delivered = {"explore": {}, "control": {}}
    for k, given in enumerate(handed):
        for player, (rollout, signals) in given.items():
            keys = [
                (int(v[0, 0, 0]), int(v[0, 1, 0]), int(v[0, 2, 0]) * 10 + int(v[0, 3, 0]))
                for v in rollout.obs["image"][:, 0]
            ]
            assert keys == sorted(keys)
            assert not set(keys) & set(delivered[player]), "a step was learned from twice"
            delivered[player] |= dict.fromkeys(keys, k)
            payments = [payment(player, key, normalised, turn) for key in keys]
            np.testing.assert_allclose(signals.streams["surprise"][:, 0], payments, rtol=2e-5, atol=1e-6)
            np.testing.assert_allclose(signals.streams["task"][:, 0], [env.paid[i, e][s] for i, e, s in keys])
            for key, shown in zip(keys, rollout.obs["vector"][:, 0], strict=True):
                np.testing.assert_allclose(shown, planes(env.played, key, turn), atol=1e-6)
            advantages = head_advantages(
                agent.explore.config, agent.explore._heads, rollout, [signals.streams[n] for n in ("task", "surprise")]
            )
            by_hand = own_advantages(agent, env, player, keys, turn, signals)
            np.testing.assert_allclose(advantages[:, 0, 1], by_hand, rtol=1e-4, atol=1e-5)
    for player, parity in (("explore", 0), ("control", 1)):
        for i in range(num_envs):
            for t, (episode, step) in enumerate(of_time[i][: 12 * steps]):
                if step // turn % 2 != parity:
                    continue
                at = known(of_time[i], t, turn)  # so many steps are taken when the turn is over
                expected = None if at is None or at > 12 * steps else max(0, -(-at // steps) - 1)
                assert delivered[player].get((i, episode, step)) == expected


def schedule(env, count):
    found = {}
    for i in range(env.num_envs):
        rows, episode, step = [], 0, 0
        for _ in range(count + 100):
            rows.append((episode, step))
            step += 1
            if step == env.lengths[(episode + i) % len(env.lengths)]:
                episode, step = episode + 1, 0
        found[i] = rows
    return found


def is_paid(step, turn):
    return step // turn % 2 == 1 and step % turn >= turn / 2


def densities(views, turn):
    """log p of what each step led to, by the views that were counted before; 0 where it is not paid."""
    counted, found = [], []
    for step in range(len(views) - 1):
        total = 0.0
        if is_paid(step, turn):
            for place in np.ndindex(7, 7, 3):
                value = views[step + 1][place]
                same = sum(other[place] == value for other in counted)
                total += math.log(max(same / len(counted), 1e-3) if counted else 1 / 12)
            counted.append(views[step + 1])
        found.append(total)
    return found


def payment(player, key, normalised, turn):
    i, episode, step = key
    if player == "control":
        return normalised[key]
    if step % turn != turn - 1:
        return 0.0
    following = [(i, episode, later) for later in range(step + 1, step + 1 + turn)]
    return -sum(normalised[later] for later in following if later in normalised)


def planes(played, key, turn):
    """The shares of 12 classes among the views counted before a step, and how many those are."""
    i, episode, step = key
    counted = [played[i, episode][s + 1] for s in range(step) if is_paid(s, turn)]
    if not counted:
        return np.append(np.full(147 * 12, 1 / 12), 0.0)
    onehot = np.stack([np.eye(12)[view.reshape(-1)] for view in counted])
    return np.append(onehot.mean(axis=0).reshape(-1), len(counted) / (turn / 2))


def own_advantages(agent, env, player, keys, turn, signals):
    """Backwards over the learner's own steps of each episode; worth nothing after the end."""
    learner = getattr(agent, player)

    def worth(key):
        obs = {
            "image": torch.from_numpy(env.played[key[:2]][key[2]].astype(np.uint8))[None],
            "vector": torch.from_numpy(planes(env.played, key, turn).astype(np.float32))[None],
        }
        return float(learner.judged(obs)[1][0, 1])

    paid = dict(zip(keys, signals.streams["surprise"][:, 0].tolist(), strict=True))
    found = {}
    for i, episode, step in reversed(keys):
        following = step + 1 if (step + 1) // turn == step // turn else step + 1 + turn
        length = env.lengths[(episode + i) % len(env.lengths)]
        if following >= length:
            found[i, episode, step] = paid[i, episode, step] - worth((i, episode, step))
            continue
        after = (i, episode, following)
        error = paid[i, episode, step] + GAMMA * worth(after) - worth((i, episode, step))
        found[i, episode, step] = error + GAMMA * LAMBDA * found.get(after, 0.0)
    return [found[key] for key in keys]


def known(rows, t, turn):
    """How many steps are taken when the turn of the step at time t is over: its player's next begins, or the end."""
    episode, step = rows[t]
    for later in range(t + 1, len(rows)):
        if rows[later][0] != episode or rows[later][1] // turn >= step // turn + 2:
            return later
    return None


def test_each_acts_in_its_own_turns_and_is_judged_by_its_own_network() -> None:
    env = Rooms(3, [23, 3, 8, 14, 19, 6])
    agent, handed, told = play(env, 6, 16, turn_steps=4)
    for metrics in told:
        for player in handed[0]:
            assert metrics.get(f"loss/{player}_approx_kl", 0.0) == pytest.approx(0.0, abs=1e-9)
    for action, player in enumerate(("explore", "control")):
        getattr(agent, player).act = acts_always(action)
    collector = Collector(env, agent, [0, 0, 0], 50, torch.device("cpu"))
    rollout, of_time = collector.collect(50, torch_rng(0, "act")), schedule(env, 50)
    for i in range(3):
        assert rollout.action[:, i].tolist() == [step // 4 % 2 for _, step in of_time[i][:50]]


def acts_always(action):
    return lambda obs, state, first, mode, rng: ActOutput(torch.full((len(first),), action), None)


def test_what_one_gains_the_other_loses() -> None:
    env = Rooms(3, [16, 32, 9])
    _, handed, _ = play(env, 1, 57 * 3, turn_steps=4)  # whole rounds of lengths: no episode is left open
    explore, control = (handed[0][player][1].streams["surprise"].double().sum() for player in ("explore", "control"))
    assert abs(float(control)) > 1
    assert float(explore) == pytest.approx(-float(control), rel=1e-6)


def test_episodes_that_were_abandoned_are_not_learned_from() -> None:
    """New episodes in the environments, as after a continuation that can't put the old ones back."""
    env = Rooms(2, [40])
    context = BuildContext(env.spec, 2, torch.device("cpu"), torch_rng(0, "agent"), numpy_rng(0, "agent"), GAMMA)
    agent = Agent(Config(turn_steps=4, hidden=[8]), context, (TASK,))
    rng = torch_rng(0, "act")
    for _ in range(2):
        collector, given = Collector(env, agent, [0, 0], 10, torch.device("cpu")), {}
        spy(agent.explore, given, "explore")
        rollout = collector.collect(10, rng)
        assess(agent, rollout)
        agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0)
        shown = given["explore"][0].obs["image"][:, 0, 0, 3, 0].tolist()
        assert shown == [0, 1, 2, 3] * 2  # the first turn of either, and nothing that was waiting


def made(overrides):
    config = compose(["frames=1000", *overrides]).config
    check(config)
    return build(config)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["env=gym", "env.id=CartPole-v1"], "agent=adversarial_surprise: counts what is in a MiniGrid view"),
        (["env=darkrooms", "agent.classes=10"], "agent.classes=10: the numbers of the view of NoisyDarkRooms go up"),
        (["env=darkrooms", "agent.turn_steps=65"], "agent.turn_steps=65: an episode of NoisyDarkRooms has 128 steps"),
        (["env=darkrooms", "agent.memory=gru"], "agent.memory=gru: turns are learned from step by step"),
        (["env=darkrooms", "agent.bootstrap_truncation=true"], "the counts end with the episode"),
        (["env=darkrooms", "agent.normalise_reward=true"], "agent.normalise_reward=true"),
        (["env=darkrooms", "reward=sil"], "use agent=ppo"),
        (["env=darkrooms", "reward=ngu", "agent.turn_steps=1"], "agent.turn_steps=1: must be at least 2"),
    ],
)
def test_refusals_are_one_line(overrides, said) -> None:
    with pytest.raises(UserError) as refused:
        made(["agent=adversarial_surprise", *overrides])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
