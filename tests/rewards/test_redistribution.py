"""Redistribution: each method against a loop or a closed form, what it is refused for, and that credit is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import case, rollouts, scripts

from rewardlab.config.composition import compose
from rewardlab.contracts.replay_laws import _steps
from rewardlab.contracts.state_laws import NUM_ENVS, new_context
from rewardlab.errors import UserError
from rewardlab.parts.models.sub_returns import SubReturns, side_by_side
from rewardlab.rewards.learned.redistribution import Config
from rewardlab.rewards.learned.redistribution_rudder import Rudder
from rewardlab.rewards.learned.redistribution_stepwise import Diaster, Stepwise
from rewardlab.sandbox.process import available
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.types import ActionSpec, EnvSpec, Episode, ObsSpec, Rollout, Transitions

PLANE = EnvSpec("plane", {"vector": ObsSpec((2,), "float32")}, ActionSpec(n=2), max_steps=20)
PARTS = {"x": "vector[0]*vector[0]", "y": "vector[1]*vector[1]"}


def step_rewards(vector: torch.Tensor) -> torch.Tensor:
    return vector[..., 0].square() - 0.5 * vector[..., 1].square()


def walks(count: int, seed: int = 0, steps: int = 20) -> list[Episode]:
    """Episodes on the plane whose whole return, hidden in each step, is paid with the last one."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(count):
        length = int(rng.integers(steps // 2, steps + 1))
        shown = torch.from_numpy(rng.normal(size=(length + 1, 2)).astype(np.float32))
        action = torch.from_numpy(rng.integers(2, size=length))
        pay = torch.zeros(length)
        pay[-1] = step_rewards(shown[:-1]).sum()
        made.append(Episode({"vector": shown[:-1]}, action, pay, False, True, False, {"vector": shown[1:]}))
    return made


def method(kind=Stepwise, **options):
    return kind(Config(plugin="redistribution", **options), new_context(PLANE))


def correlation(made: Stepwise) -> float:
    """Of what steps of new walks are paid and what they truly are worth."""
    steps = walks(50, seed=9)
    obs, action, following = (
        torch.cat([each.obs["vector"] for each in steps]),
        torch.cat([each.action for each in steps]),
        torch.cat([each.next_obs["vector"] for each in steps]),
    )
    if made.factors is not None:
        steps = Transitions({"vector": obs}, action, {}, {"vector": following})
        paid = made.pay_anew(steps)
    else:
        paid = made.model.of(made.inputs.of({"vector": obs}, action, {"vector": following}))
    return float(np.corrcoef(paid.numpy(), step_rewards(obs).numpy())[0, 1])


def fitted(made: Stepwise, episodes: int, fits: int) -> Stepwise:
    for each in walks(episodes):
        if made.factors is not None:
            found = made.factors.of_steps(Transitions(each.obs, each.action, {}, each.next_obs))
            each = replace(each, obs={"factors": found}, next_obs={})
        made._ended.append(each)
    made.remember()
    for _ in range(fits):
        made.fit()
    return made


def test_factors_that_hold_the_true_parts_need_few_episodes() -> None:
    with_factors = method(method="lare", factors=PARTS, learning_rate=3e-3)
    assert correlation(fitted(with_factors, 60, 300)) > 0.99
    of_some = method(method="lare", factors=PARTS, steps=8, unbiased=True, learning_rate=3e-3)
    assert correlation(fitted(of_some, 60, 300)) > 0.99
    in_other_units = {"x": f"1000*{PARTS['x']}", "y": f"{PARTS['y']}/1000 + 7"}
    other = method(method="lare", factors=in_other_units, learning_rate=3e-3)
    assert correlation(fitted(other, 60, 300)) > 0.99
    blind = method(method="rrd", steps=8, unbiased=True, learning_rate=3e-3)
    assert correlation(fitted(blind, 60, 300)) < 0.9


@pytest.mark.parametrize("pay", [0.0, 3.0])
def test_shares_that_are_all_the_same_are_what_is_paid(pay: float) -> None:
    made = method(method="lare", factors=PARTS)
    for each in walks(20):
        factors, reward = torch.randn(len(each), 2), torch.full((len(each),), pay)
        made._ended.append(replace(each, obs={"factors": factors}, next_obs={}, task_reward=reward))
    made.remember()
    for _ in range(200):
        made.fit()
    steps = walks(1, seed=3)[0]
    paid = made.pay_anew(Transitions(steps.obs, steps.action, {}, steps.next_obs))
    assert float(paid.mean()) == pytest.approx(pay, abs=0.1)


@pytest.mark.parametrize(
    ("overrides", "paced"),
    [(["agent=ppo", "reward=rrd"], 0.25), (["agent=sac", "reward=rrd"], 64), (["agent=sac", "reward=rudder"], None),
     (["agent=sac", "reward=redistribution", "reward.method=lare", "reward.factors.a='vector[0]'"], 256),
     (["agent=sac", "reward=rrd", "reward.samples_per_step=2"], 2)],
)  # fmt: skip
def test_the_pace_goes_by_the_agents_way_of_learning(overrides: list[str], paced: float | None) -> None:
    config = compose(["env=gym", "env.id=Pendulum-v1", *overrides]).config
    assert config.reward.samples_per_step == paced
    mixed = ["reward=mix", "+reward@reward.schemes.late=rrd"]
    config = compose(["env=gym", "env.id=Pendulum-v1", overrides[0], *mixed]).config
    assert config.reward.schemes["late"].samples_per_step == (0.25 if overrides[0] == "agent=ppo" else 64)


@pytest.mark.parametrize(
    ("options", "least"),
    [({"method": "rd"}, 0.9), ({"method": "rrd", "steps": 10, "batch_size": 500}, 0.7), ({"method": "spa"}, 0.85)],
)
def test_with_enough_episodes_steps_are_told_apart(options, least: float) -> None:
    assert correlation(fitted(method(**options, hidden=32, learning_rate=3e-3), 1000, 400)) > least


def test_diaster_tells_steps_apart_by_differences_of_pieces() -> None:
    made = fitted(method(Diaster, method="diaster", hidden=16, learning_rate=1e-2), 400, 300)
    assert correlation(made) > 0.7


@pytest.mark.parametrize("world", ["grid", "mission", "vector", "continuous"])
@pytest.mark.parametrize("name", ["rrd", "spa"])
def test_distinct_steps_are_paid_as_each_alone(world: str, name: str) -> None:
    a_case = case("redistribution", world, method=name)
    made, _ = a_case.build()
    rollout = rollouts(a_case, 20)[0]
    inputs = made.method.inputs.of(rollout.obs, rollout.action, rollout.next_obs)
    expected = made.method.model.network(inputs).squeeze(-1)
    if name == "spa":
        changed = [(rollout.obs[key] != rollout.next_obs[key]).flatten(2).any(-1) for key in rollout.obs]
        expected = expected + 0.5 * torch.stack(changed).any(0)
        assert 0 < float(torch.stack(changed).any(0).float().mean()) <= 1
    assert torch.allclose(made.compute(rollout).streams["intrinsic"], expected, atol=1e-5)


@pytest.mark.parametrize("world", ["grid", "mission", "vector", "continuous"])
def test_a_layer_sees_observations_and_actions_apart_as_together(world: str) -> None:
    a_case = case("redistribution", world, method="rudder")
    made, _ = a_case.build()
    rollout, layer = rollouts(a_case, 20)[0], made.method.network.cell_input
    together = layer(made.method.inputs.of(rollout.obs, rollout.action, rollout.next_obs))
    assert torch.allclose(made.method.inputs.through(layer, rollout), together, atol=1e-5)


def test_the_loss_and_its_slope_are_those_of_autograd() -> None:
    made, other = (fitted(method(method="rd", hidden=8, batch_size=40), 6, 0) for _ in range(2))
    drawn = other.memory.all_steps(40, other.context.numpy_rng)
    rewards = other.model.network(other.shown(drawn)).squeeze(-1)
    means = torch.stack([part.mean() for part in rewards.split(drawn.counts.tolist())])
    loss = (drawn.returns / drawn.lengths - means).square().mean()
    other.model.optimiser.descend(loss)
    assert float(made.fit()) == pytest.approx(float(loss.detach()), rel=1e-5)
    for left, right in zip(made.model.network.parameters(), other.model.network.parameters(), strict=True):
        assert torch.allclose(left, right, atol=1e-6)


def test_two_pieces_are_read_apart() -> None:
    torch.manual_seed(0)
    pieces = SubReturns(3, 5, torch.Generator().manual_seed(1))
    rows, lengths, cuts = torch.randn(9, 3), torch.tensor([4, 1, 4]), torch.tensor([3, 1, 1])
    columns, within = side_by_side(rows, lengths)
    assert torch.equal(columns.transpose(0, 1)[within.t()], rows)

    def alone(piece: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(1, 5)
        for row in piece:
            state = pieces.memory.cell(row[None], state)
        return pieces.head(state)[0, 0]

    expected = [alone(rows[:3]) + alone(rows[3:4]), alone(rows[4:5]), alone(rows[5:6]) + alone(rows[6:])]
    assert torch.allclose(pieces.of_cut(columns, lengths, cuts), torch.stack(expected), atol=1e-6)


@pytest.mark.parametrize("options", [{"method": "rrd"}, {"method": "lare", "factors": {**PARTS, "far": "distance"}}])
def test_a_replayed_step_is_paid_as_in_a_rollout(options) -> None:
    a_case = case("redistribution", "vector", **options)
    made, _ = a_case.build()
    rollout = rollouts(a_case, 12)[0]
    paid = made.compute(rollout).streams["intrinsic"]
    obs, next_obs = ({key: v.flatten(0, 1) for key, v in each.items()} for each in (rollout.obs, rollout.next_obs))
    facts = {f"privileged.{name}": fact.flatten(0, 1) for name, fact in rollout.privileged.items()}
    again = made.rewards_of(Transitions(obs, rollout.action.flatten(0, 1), facts, next_obs))["intrinsic"]
    assert float(paid.std()) > 0
    assert torch.allclose(again, paid.flatten(), atol=1e-5)


def early(envs: int, episodes: int, seed: int) -> list[Rollout]:
    """One rollout an episode of 8 steps, in which the first action alone decides the return, paid at the end."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(episodes):
        action = torch.from_numpy(rng.integers(2, size=(8, envs)))
        shown = torch.from_numpy(rng.normal(size=(9, envs, 2)).astype(np.float32))
        shown[0] = 2.0  # how an episode begins can be seen
        end, none = torch.zeros(8, envs, dtype=torch.bool), torch.zeros(8, envs, dtype=torch.bool)
        end[-1] = True
        pay = torch.where(end, action[0].float(), 0.0)
        first = torch.roll(end, 1, 0)
        made.append(
            Rollout({"vector": shown[:-1]}, {"vector": shown[1:]}, action, pay, end, none, none, first,
                    {"vector": shown[-1]}, end[-1], None)
        )  # fmt: skip
    return made


def test_rudder_pays_the_action_that_decides_and_the_return_exactly() -> None:
    spec = replace(PLANE, max_steps=8)
    options = {"start_episodes": 64, "fit_every": 16, "fit_steps": 300, "fit_until": 0.01, "scale": 0.5}
    made = Rudder(Config(plugin="redistribution", method="rudder", **options), new_context(spec))
    envs = NUM_ENVS
    for count, rollout in enumerate(early(envs, 24, seed=1)):
        paid = made.pay(rollout)
        if count < 64 // envs:
            assert torch.equal(paid, rollout.task_reward), "the task's reward before the first fit"
        made.learn(rollout)
    landed, earned = 0.0, 0.0
    for rollout in early(envs, 8, seed=2):
        paid, returns = made.pay(rollout), rollout.task_reward.sum(dim=0)
        assert torch.allclose(paid.sum(dim=0), returns, atol=1e-6)
        landed, earned = landed + float(paid[0, returns > 0].sum()), earned + float(returns.sum())
    assert 8 <= earned <= 24
    assert landed / earned > 0.9


@pytest.mark.parametrize("name", ["uniform", "ircr"])
def test_what_is_paid_at_an_end_is_the_sum_of_its_steps(name: str) -> None:
    a_case = case("redistribution", "vector", method=name)
    made, _ = a_case.build()
    scale: list[float] = []  # returns of earlier rollouts' episodes
    earned, count, ended = [0.0] * NUM_ENVS, [0] * NUM_ENVS, 0
    for script in scripts(a_case, 20, 9, 30):
        rollout, fresh = a_case.render(script), []
        paid = made.compute(rollout).streams["intrinsic"]
        for t in range(rollout.steps):
            for env in range(NUM_ENVS):
                earned[env], count[env] = earned[env] + float(rollout.task_reward[t, env]), count[env] + 1
                expected = 0.0
                if rollout.done[t, env]:
                    low, high = (min(scale), max(scale)) if scale else (0.0, 0.0)
                    guidance = (earned[env] - low) / (high - low) if high > low else 0.0
                    expected = earned[env] if name == "uniform" else guidance * count[env]
                    fresh.append(earned[env])
                    earned[env], count[env], ended = 0.0, 0, ended + 1
                assert float(paid[t, env]) == pytest.approx(expected, abs=1e-5)
        made.update(rollout)
        scale += fresh
    assert ended > 10


TINY = ["env=bitflip", "env.n=5", "agent=dqn", "num_envs=4", "frames=4096", "agent.n_step=1", "agent.bonus=replayed",
        "agent.rollout_steps=8", "agent.learning_starts=64", "agent.batch_size=32", "agent.hidden=[16]"]  # fmt: skip


@pytest.mark.parametrize("name", ["uniform", "ircr"])
def test_replayed_steps_are_paid_by_their_whole_episode(name: str) -> None:
    config = compose([*TINY, "reward=redistribution", f"reward.method={name}", "env.delayed_reward=true"]).config
    parts, batches = build(config), []
    learning, learn = make_learning(config, parts), parts.agent.update_batch
    parts.agent.update_batch = lambda batch: (batches.append(batch), learn(batch))[1]
    for _ in range(12):
        learning.iterate(0)
    totals, returns = [], {}
    kept = learning._replay.at(np.arange(len(learning._replay)))
    assert 0 < len(kept.action) < 4 * 8 * 12, "steps of running episodes wait for their end"
    begin = 0
    while begin < len(kept.action):
        steps = slice(begin, begin + int(kept.extra["episode_length"][begin]))
        total = float(kept.extra["task_reward"][steps].sum())
        ends = kept.extra["discount"][steps] == 0
        assert kept.extra["episode_return"][steps].tolist() == [total] * (steps.stop - begin)
        assert int(kept.extra["task_reward"][steps].count_nonzero()) <= 1 and not ends[:-1].any()
        for shown in kept.obs["vector"][steps]:
            returns.setdefault(tuple(shown.tolist()), set()).add(total)
        totals.append(total)
        begin = steps.stop
    low, high, last = min(totals), max(totals), batches[-1]
    share = last.extra["episode_return"] / last.extra["episode_length"]
    guidance = (last.extra["episode_return"] - low) / (high - low)
    assert torch.allclose(last.extra["reward"], share if name == "uniform" else guidance, atol=1e-5)
    best = sorted(totals)[-10]
    if name == "ircr":
        assert bool((last.extra["episode_return"][16:] >= best).all()) and len(last.action) == 32
        assert bool((last.extra["episode_return"][:16] < best).any())


def test_factors_read_facts_of_the_true_successor_and_actions() -> None:
    factors = {"far": "distance", "step": "next_vector[0] - vector[0]", "which": "action", "one": "1"}
    a_case = case("redistribution", "vector", method="lare", factors=factors)
    made, _ = a_case.build()
    rollout = rollouts(a_case, 12)[0]
    found = made.method.factors.of_rollout(rollout)
    vector, following = rollout.obs["vector"], rollout.next_obs["vector"]
    expected = [
        rollout.privileged["distance"],
        following[..., 0] - vector[..., 0],
        rollout.action,
        0 * vector[..., 0] + 1,
    ]
    assert torch.allclose(found, torch.stack([each.float() for each in expected], dim=-1))
    assert made.assumes == {"privileged"} and made.privileged == ("distance",)


@pytest.mark.skipif(available() is not None, reason=f"no sandbox here: {available()}")
def test_factors_as_code_are_those_of_expressions_and_kept_with_steps(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        "def factors(before, action, after):\n    x, y = before.vector[:, 0], after.vector[:, 1]\n"
        "    return {'x': x * x, 'y': y - x, 'which': action}"
    )
    terms = {"x": "vector[0]*vector[0]", "y": "next_vector[1] - vector[0]", "which": "action"}
    ours = case("redistribution", "vector", method="lare", code=str(code), state="vector")
    theirs = case("redistribution", "vector", method="lare", factors=terms)
    (made, _), (expected, _) = ours.build(), theirs.build()
    for rollout in rollouts(ours, 40, 40):
        torch.testing.assert_close(made.compute(rollout).streams, expected.compute(rollout).streams)
        made.update(rollout), expected.update(rollout)
    kept = made.kept_of(rollout)
    assert kept["factors"].shape == (40, NUM_ENVS, 3) and made.keeps and not expected.keeps
    assert made.code == code.read_text() and made.assumes == set() and expected.kept_of(rollout) == {}
    # From a buffer, without the code being asked again.
    steps = Transitions({}, rollout.action.flatten(), {"factors": kept["factors"].flatten(0, 1)}, {})
    torch.testing.assert_close(
        made.rewards_of(steps)["intrinsic"], expected.rewards_of(_steps(rollout))["intrinsic"], rtol=1e-5, atol=1e-6
    )
    options = [each for each in TINY if not each.startswith("frames")]
    config = compose([*options, "reward=redistribution", "reward.method=lare", f"reward.code={code}"]).config
    assert config.reward.state == "vector"
    parts = build(config)
    learning, asked = make_learning(config, parts), []
    of_steps = parts.scheme.method.factors._written.of_steps
    parts.scheme.method.factors._written.of_steps = lambda rollout: (asked.append(rollout), of_steps(rollout))[1]
    for _ in range(6):
        learning.iterate(0)
    assert len(asked) == 6, "once for each rollout, whatever is replayed"
    kept = learning._replay.at(np.arange(len(learning._replay)))
    torch.testing.assert_close(kept.extra["factors"][:, 2], kept.action.float())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["reward=ircr"], "reward=ircr agent=ppo: pays steps when their episode has ended, and this agent replays"),
        (["reward=ircr", "reward.transform=[clip:1.0]"], "reward=ircr agent=ppo: pays steps when their episode has"),
        (["reward=redistribution", "reward.method=rrdd"], "reward.method=rrdd: no such option; did you mean rrd?"),
        (["reward=rudder", "reward.steps=8"], "reward.steps=8: method=rudder does not read it, only rrd, lare"),
        (["reward=redistribution", "reward.method=lare"], "reward.method=lare: needs factors"),
        (["reward=rrd", "reward.code=upright"], "reward.code=upright: method=rrd does not read it, only lare"),
        (["reward=redistribution", "reward.method=lare", "reward.code=upritgh"], "did you mean upright"),
        (["reward=redistribution", "reward.method=lare", "reward.code=stages"], "defines potential, and this scheme"),
        (["reward=redistribution", "reward.method=lare", "reward.code=upright"], "upright: fails on a made-up state"),
        (
            ["reward=redistribution", "reward.method=lare", "reward.factors.a='vector['"],
            "reward.factors.a=vector[: 'vector[' is no expression",
        ),
        (
            ["reward=redistribution", "reward.method=lare", "reward.factors.a=vector"],
            "reward.factors.a: gives numbers of shape (4,) instead of one; take one of them, as in vector[0]",
        ),
        (
            ["reward=redistribution", "reward.method=lare", "reward.factors.a='vector[9]'"],
            "reward.factors.a: can't be computed on CartPole-v1",
        ),
        (["reward=rrd", "reward.unbiased=true", "reward.steps=1"], "reward.steps=1: unbiased=true needs at least 2"),
        (["reward=rrd", "reward.memory=100"], "reward.memory=100: an episode of CartPole-v1 may have 500 steps"),
        (
            ["reward=mix", "reward@reward.schemes.count=ircr"],
            "reward.schemes.count: pays when episodes have ended and can't be mixed",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        build(compose(["env=gym", "env.id=CartPole-v1", *overrides]).config)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
