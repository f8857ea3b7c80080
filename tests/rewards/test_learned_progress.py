"""Progress: sums that telescope, what is learned against what it should be, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.config.composition import compose
from rewardlab.contracts.state_laws import new_context
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.datasets.shown_ways import ShownWays
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.errors import UserError
from rewardlab.maths.provers import prover_advantage
from rewardlab.rewards.learned.progress import Config, Scheme
from rewardlab.training.build import build
from rewardlab.types import ActionSpec, EnvSpec, Episode, ObsSpec, TaskFacts

LINE = EnvSpec("line", {"vector": ObsSpec((3,), "float32")}, ActionSpec(n=2), max_steps=20)
LENGTHS = (4, 10, 7)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of L steps each: the state after i steps shows i / L, L / 10 and a number of the demonstration."""
    folder = tmp_path_factory.mktemp("line") / "demos"
    made = []
    for number, length in enumerate(LENGTHS):
        at = np.arange(length + 1)
        shown = np.stack([at / length, np.full(length + 1, length / 10), np.full(length + 1, number)], axis=1)
        pay = (at[1:] == length).astype(np.float32)
        made.append(Recorded(0, {"vector": shown.astype(np.float32)}, np.zeros(length, int), pay, True, False, True))
    write_dataset(folder, iter(made), LINE, About("", "nobody", {}))
    return str(folder)


def scheme(**options) -> Scheme:
    return Scheme(Config(plugin="progress", name="progress", **options), new_context(LINE))


@pytest.mark.parametrize("method", ["step_gain", "potential"])
def test_what_an_episode_is_paid_depends_on_its_two_ends(method: str) -> None:
    a_case = case("progress", "vector", method=method)
    made, context = a_case.build()
    gamma, sums, begun, ended = context.gamma if method == "potential" else 1.0, {}, {}, 0
    for rollout in rollouts(a_case, 20, 30):
        paid = made.compute(rollout).streams["intrinsic"]

        def worth(shown: torch.Tensor) -> float:
            return float(made.model.network(shown).squeeze(-1).detach())

        for env in range(rollout.num_envs):
            for t in range(rollout.steps):
                if rollout.first[t, env]:
                    begun[env], sums[env], discount = worth(rollout.obs["vector"][t, env]), 0.0, 1.0
                    a = t
                if env not in begun or (t == 0 and not rollout.first[t, env]):
                    break  # an episode that began before
                discount = gamma ** (t - a)
                sums[env] += discount * float(paid[t, env])
                if rollout.done[t, env]:
                    last = worth(rollout.next_obs["vector"][t, env])
                    if method == "potential" and rollout.terminated[t, env]:
                        last = 0.0
                    if t > a:  # within an episode, what is reached is shown next
                        assert sums[env] == pytest.approx(gamma * discount * last - begun[env], abs=1e-3)
                        ended += 1
    assert ended > 5


def test_step_gain_learns_the_outcome() -> None:
    """The first number of a state tells the return of its episode; the others tell nothing."""
    made, rng = scheme(learning_rate=3e-3), np.random.default_rng(0)
    for _ in range(60):
        side = float(rng.choice([-1.0, 1.0]))
        shown = torch.from_numpy(rng.normal(size=(9, 3)).astype(np.float32))
        shown[:, 0] = side * torch.arange(9) / 8  # which it is cannot be seen at first
        pay = torch.zeros(8)
        pay[-1] = side
        made.memory.add([Episode({"vector": shown[:-1]}, torch.zeros(8, dtype=torch.int64), pay, True, False, False,
                                 {"vector": shown[1:]})])  # fmt: skip
    errors = [float(made.fit()) for _ in range(300)]
    assert np.mean(errors[-20:]) < 0.2 < errors[0]
    ends = torch.tensor([[-1.0, 0.3, -0.3], [0.0, 0.3, -0.3], [1.0, 0.3, -0.3]])
    low, middle, high = made.model.of(ends).tolist()
    assert low < -0.8 and abs(middle) < 0.4 and high > 0.8


def test_states_of_demonstrations_know_how_far_they_are(demos: str) -> None:
    ways, rng = ShownWays(DemonstrationFile("reward.demos", demos, LINE), torch.device("cpu")), np.random.default_rng(1)
    shown, done = ways.done(300, rng)
    assert torch.allclose(shown["vector"][:, 0], done)
    met = np.bincount(shown["vector"][:, 2].int(), minlength=3)
    assert met == pytest.approx(300 * np.array(LENGTHS) / sum(LENGTHS), abs=45)
    assert {0.0, 1.0} <= set(done.tolist())
    one, other, share = ways.pairs(300, rng)
    assert torch.equal(one["vector"][:, 1:], other["vector"][:, 1:]), "of one demonstration"
    assert torch.allclose(other["vector"][:, 0] - one["vector"][:, 0], share, atol=1e-6)
    assert share.min() < -0.5 and share.max() > 0.5


def test_a_potential_of_demonstrations_is_the_share_that_is_done(demos: str) -> None:
    made = scheme(method="potential", demos=demos, learning_rate=3e-3)
    for _ in range(200):
        made.fit()
    shown, done = made._ways.done(100, np.random.default_rng(2))
    assert float((made.model.of(shown["vector"]) - done).abs().max()) < 0.1
    assert made.assumes == {"demos"}


def test_a_pair_back_is_paid_the_opposite(demos: str) -> None:
    made = scheme(method="pairwise_delta", demos=demos, learning_rate=3e-3)
    for _ in range(400):
        made.fit()
    one, other, share = made._ways.pairs(100, np.random.default_rng(2))
    forth, back = made._between(one["vector"], other["vector"]), made._between(other["vector"], one["vector"])
    assert float((forth + back).abs().max()) < 0.1
    assert float((forth - share).abs().max()) < 0.15


def test_what_a_prover_pays_adds_up_to_the_outcome_less_its_chance_at_first() -> None:
    """On a way whose steps the prover takes for more and more likely to succeed; and nothing, if it never fails."""
    rng = torch.Generator().manual_seed(0)
    for tries in (1, 4):
        for solved in (True, False):
            logits = torch.randn(6, generator=rng)
            last = torch.arange(5) == 4
            paid = prover_advantage(logits[:-1], logits[1:], last, last & solved, tries)
            first = 1.0 - (1.0 - 1.0 / (1.0 + np.exp(-float(logits[0])))) ** tries
            assert float(paid.sum()) == pytest.approx(solved - first, abs=1e-5)
            cut = prover_advantage(logits[:-1], logits[1:], torch.zeros(5, dtype=torch.bool), last & False, tries)
            assert torch.equal(cut[:-1], paid[:-1]) and cut[-1] != paid[-1], "a time limit is no outcome"
    sure, nowhere = torch.full((5,), 99.0), torch.zeros(5, dtype=torch.bool)
    assert torch.equal(prover_advantage(sure, sure, nowhere, nowhere, 4), torch.zeros(5))


def test_the_advantage_of_the_agent_s_own_policy_is_nothing_new() -> None:
    """With its own values and one try, what is paid in a state is 0 on average over its actions, and so the gradient
    of the sum is that of the task alone, times 1 + coef.
    """
    rng = np.random.default_rng(0)
    chance = np.r_[0.0, rng.uniform(0.1, 0.9, size=4), 1.0]  # of going up from there; 0 and 5 end it, 5 is success
    moves = np.zeros((6, 6))
    for at in range(1, 5):
        moves[at, at + 1], moves[at, at - 1] = chance[at], 1 - chance[at]
    value = np.linalg.solve(np.eye(6) - moves, np.eye(6)[5])
    logits = torch.from_numpy(np.log(value.clip(1e-9) / (1 - value).clip(1e-9)))
    here, ends = logits[1:5], torch.tensor([False, False, False, True])
    up = prover_advantage(here, logits[2:6], ends, ends, 1)
    down = prover_advantage(here, logits[:4], ends.flip(0), torch.zeros(4, dtype=torch.bool), 1)
    paid = torch.from_numpy(chance[1:5]) * up + torch.from_numpy(1 - chance[1:5]) * down
    assert paid.numpy() == pytest.approx(np.zeros(4), abs=1e-6) and float(up.min()) > 0 > float(down.max())


def test_a_prover_s_chance_is_learned_from_its_play(tmp_path: Path) -> None:
    """It succeeds from where the first number is positive; the best of two tries is right more often."""
    rng = np.random.default_rng(0)

    def episodes():
        for number in range(40):
            side = 1.0 if number % 2 else -1.0
            shown = np.stack([np.full(6, side), *rng.normal(size=(2, 6))], axis=1).astype(np.float32)
            solved = rng.random() < (0.9 if side > 0 else 0.3)
            yield Recorded(0, {"vector": shown}, np.zeros(5, int), np.zeros(5, np.float32), True, False, bool(solved))

    write_dataset(tmp_path / "demos", episodes(), LINE, About("", "nobody", {}))
    spec = replace(LINE, task=TaskFacts(success="made up"))
    made = Scheme(
        Config(plugin="progress", name="progress", method="prover_advantage", demos=str(tmp_path / "demos")),
        new_context(spec),
    )
    assert not made.pays_anew and [stream.gamma for stream in made.streams] == [made.context.gamma, 0.0]
    for _ in range(150):
        made.fit()
    states, won = made._ways.outcomes(2000, np.random.default_rng(3))
    found = torch.sigmoid(made.model.of(states["vector"]))
    for side in (1.0, -1.0):
        here = states["vector"][:, 0] == side
        assert float(found[here].mean()) == pytest.approx(float(won[here].mean()), abs=0.06)


def test_ends_of_segments_are_told_from_other_states(tmp_path: Path) -> None:
    """Demonstrations stay at one place, then another, then a third; the last number rises to 1 at each."""
    rng = np.random.default_rng(0)

    def episodes():
        for number in range(4):
            lengths = rng.integers(3, 8, size=3)
            where = np.repeat(np.arange(3), lengths)
            done = np.concatenate([(np.arange(length) + 1) / length for length in lengths])
            shown = np.stack([where, -where, done], axis=1)
            shown = np.concatenate([shown[:1], shown]).astype(np.float32)  # the first state is of no step
            count = len(where)
            pay = np.zeros(count, np.float32)
            yield Recorded(number, {"vector": shown}, np.zeros(count, int), pay, True, False, True)

    write_dataset(tmp_path / "demos", episodes(), LINE, About("", "nobody", {}))
    options = {"method": "segment_classifier", "demos": str(tmp_path / "demos"), "learning_rate": 3e-3}
    made = scheme(**options)
    shown, is_end = made._ways.ends(500, 3, made._flat, np.random.default_rng(0))
    assert torch.equal(shown["vector"][:, 2] == 1, is_end > 0) and 200 < float(is_end.sum()) < 300
    for _ in range(200):
        made.fit()
    likely = made._end(shown)
    assert float(likely[is_end > 0].mean()) > 0.8 and float(likely[is_end == 0].mean()) < 0.2
    fresh, (rollout,) = scheme(**options, pretrain=7), rollouts(case("progress", "vector"), 20)
    assert fresh._before == 7 and scheme(**options)._before == 1000
    fresh.update(rollout)
    assert fresh._before == 0 and fresh.model.optimiser.state_dict()["steps"] == 7, "of 80 steps played, none yet"
    with pytest.raises(UserError, match="segments=99: a demonstration has"):
        scheme(**options, segments=99).fit()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["reward.method=pairwise_delta"], "reward.method=pairwise_delta: needs demonstrations"),
        (["reward.method=segment_classifier"], "reward.method=segment_classifier: needs demonstrations"),
        (["reward.method=prover_advantage", "reward.demos=there"], "needs a task that says what success is"),
        (["reward.pretrain=2"], "pretrain=2: on demonstrations, and there are none"),
        (["reward.best_of=2"], "best_of=2: method=step_gain does not read it"),
        (["reward.demos=there"], "reward.demos=there: method=step_gain learns from what is played"),
        (["reward.memory=100"], "reward.memory=100: an episode of CartPole-v1 may have 500 steps"),
        (
            ["reward.method=potential", "agent=dqn", "agent.n_step=1", "agent.bonus=replayed"],
            "reward=progress agent.bonus=replayed: its bonus can't be paid anew",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        build(compose(["env=gym", "env.id=CartPole-v1", "reward=progress", *overrides]).config)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


def test_failures_are_paid_by_how_near_they_came_to_successes() -> None:
    """Against a loop over whole episodes."""
    a_case = case("progress", "vector", method="success_reference", hidden=8)
    made, _ = a_case.build()
    encode = made.reference.encoder
    running, successes, failures, seen = {}, [], [], {"nothing": 0, "won": 0, "failed": 0}
    for rollout in rollouts(a_case, 20, 30, 50, 50):
        rollout.success[:] = rollout.done & (rollout.next_obs["vector"][..., 0] > 0.5)
        paid = made.compute(rollout).streams["intrinsic"]
        won, lost = [], []
        for t in range(rollout.steps):
            for env in range(rollout.num_envs):
                if rollout.first[t, env]:
                    running[env] = []
                running.setdefault(env, []).append(encode(rollout.next_obs["vector"][t, env]))
                expected = 0.0
                if rollout.done[t, env]:
                    mean = torch.stack(running[env]).mean(dim=0)
                    if rollout.success[t, env]:
                        won.append(mean)
                        expected = float(bool(successes))
                    elif successes:
                        far = min(float((mean - other).norm()) for other in successes[-16:])
                        z = 0.0 if len(failures) < 2 else (far - np.mean(failures[-256:])) / np.std(failures[-256:])
                        expected = 1.0 / (1.0 + np.exp(z))
                        lost.append(far)
                    seen["won" if expected == 1.0 else "failed" if expected else "nothing"] += 1
                assert float(paid[t, env]) == pytest.approx(expected, abs=1e-4)
        made.update(rollout)
        successes += won
        failures += lost
    assert min(seen.values()) > 5


def test_what_success_reference_does_not_read_is_refused() -> None:
    with pytest.raises(UserError, match="batch_size=7: method=success_reference trains no network"):
        compose(["env=doorkey_5x5", "reward=progress", "reward.method=success_reference", "reward.batch_size=7"])
