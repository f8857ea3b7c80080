"""The option `transform`: what a scheme pays goes through one after the other, remembers, and is refused."""

import numpy as np
import pytest
import torch
from made_up import case, rollouts, steps_of

from rewardlab.config.composition import compose
from rewardlab.contracts import reward_laws
from rewardlab.contracts.replay_laws import _steps, pays_anew_as_declared
from rewardlab.errors import UserError
from rewardlab.rewards.transformed import Transformed
from rewardlab.training.build import build

TEXT = "0.1 * distance - 2"
EVERY = ["clip:0.5", "delta", "min_form:0.2", "par:0:1.5", "lsc:1:2", "minmax", "meanstd", "renorm", "milestone",
         "at_end", "mean_at_end", "noise:0.3", "flip:0.4", "linear_bound:2"]  # fmt: skip
# What mixes environments up by its nature: whoever comes first draws first; an outcome is one among all.
EXEMPT = {
    "flip:0.4": reward_laws.environments_are_interchangeable,
    "noise:0.3": reward_laws.environments_are_interchangeable,
    "renorm": reward_laws.episode_ends_touch_one_environment,
}


def of(*texts: str, text: str = TEXT):
    return case("terms", terms={"x": text}, transform=list(texts))


@pytest.mark.parametrize("text", EVERY)
def test_laws_hold_for_every_transform(text):
    a_case = of(text)
    for law in (*reward_laws.LAWS, pays_anew_as_declared):
        if law is not EXEMPT.get(text):
            law(a_case)


def test_without_transforms_it_is_the_scheme_itself():
    assert not isinstance(of().build()[0], Transformed)


def test_one_goes_after_the_other_and_the_task_through_none():
    a_case, plain = of("clip:1", "milestone", text=f"-({TEXT})"), of(text=f"-({TEXT})").build()[0]
    scheme, _ = a_case.build()
    made, total, best = rollouts(a_case, 20, 9), {}, {}
    paid = [scheme.compute(rollout).streams for rollout in made]
    raw = [plain.compute(rollout).streams["x"] for rollout in made]
    for number, t, env, episode, _ in steps_of(made):
        total[episode] = total.get(episode, 0.0) + min(float(raw[number][t, env]) - 1.0, 0.0)
        before = best.get(episode, 0.0)
        best[episode] = max(before, total[episode])
        assert float(paid[number]["x"][t, env]) == pytest.approx(best[episode] - before, abs=1e-4)
    assert torch.equal(paid[1]["task"], made[1].task_reward)


@pytest.mark.parametrize(("text", "share"), [("at_end", False), ("mean_at_end", True)])
def test_what_is_paid_at_the_end_is_all_that_an_episode_gave(text, share):
    a_case = of(text)
    scheme, plain = a_case.build()[0], of().build()[0]
    made, gave = rollouts(a_case, 7, 1, 30), {}
    paid = [scheme.compute(rollout).streams["x"] for rollout in made]
    raw = [plain.compute(rollout).streams["x"] for rollout in made]
    for number, t, env, episode, _ in steps_of(made):
        gave.setdefault(episode, []).append(float(raw[number][t, env]))
        whole = np.mean(gave[episode]) if share else np.sum(gave[episode])
        expected = whole if made[number].done[t, env] else 0.0
        assert float(paid[number][t, env]) == pytest.approx(expected, abs=1e-4)


def test_running_scales_are_those_of_all_rewards_so_far():
    raw_scheme = of().build()[0]
    made = rollouts(of(), 20, 9)
    raw = [raw_scheme.compute(rollout).streams["x"].double().numpy() for rollout in made]
    schemes = {text: of(text).build()[0] for text in ("minmax", "meanstd", "renorm")}
    found = {text: [scheme.compute(rollout).streams["x"] for rollout in made] for text, scheme in schemes.items()}
    seen, outcomes, returns = np.concatenate(raw).ravel(), [], {}
    for number, t, env, episode, _ in steps_of(made):
        returns[episode] = returns.get(episode, 0.0) + float(made[number].task_reward[t, env])
        outcomes += [returns[episode]] if made[number].done[t, env] else []
    scaled = (raw[1] - seen.mean()) / seen.std()
    np.testing.assert_allclose(found["minmax"][1], (raw[1] - seen.min()) / np.ptp(seen), atol=1e-5)
    np.testing.assert_allclose(found["meanstd"][1], scaled, atol=1e-4)
    np.testing.assert_allclose(found["renorm"][1], scaled * np.std(outcomes), atol=1e-4)
    again = schemes["meanstd"].rewards_of(_steps(made[1]))["x"]
    torch.testing.assert_close(again, found["meanstd"][1].flatten())


def test_unusual_outcomes_weigh_less():
    a_case = case("terms", world="vector", terms={"x": "1"}, transform=["linear_bound:2"])
    scheme, _ = a_case.build()
    first, second = rollouts(a_case, 20, 6)
    scheme.compute(first)
    weights = scheme.compute(second).streams["x"].double().numpy().ravel()

    def rows(rollout):
        flat = rollout.next_obs["vector"].double().numpy().reshape(-1, 4)
        return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)

    seen = 2 * np.eye(5) + rows(first).T @ rows(first)
    expected = [1 / (1 + np.sqrt(row @ np.linalg.inv(seen) @ row)) for row in rows(second)]
    np.testing.assert_allclose(weights, expected / np.mean(expected), rtol=1e-5)
    assert weights.mean() == pytest.approx(1.0) and np.ptp(weights) > 0.05


def test_outcomes_are_flipped_as_often_as_is_said():
    a_case = of("flip:0.3", text="terminated")
    rollout = rollouts(a_case, 120)[0]
    paid, done = a_case.build()[0].compute(rollout).streams["x"], rollout.done
    flipped = paid != rollout.terminated.float()
    assert set(paid.unique().tolist()) == {0.0, 1.0} and not flipped[~done].any()
    assert float(flipped[done].float().mean()) == pytest.approx(0.3, abs=0.15)  # of about 80


def test_looking_ahead_is_undiscounted_and_counts_what_a_rollout_cuts():
    a_case = of("delta")
    scheme, _ = a_case.build()
    assert [spec.gamma for spec in scheme.streams] == [0.97, 1.0] and "transform/cut_steps" in scheme.metrics
    rollout = rollouts(a_case, 20)[0]
    scheme.compute(rollout)
    cut = sum(
        not rollout.done[t:, env].any() or not rollout.first[: t + 1, env].any() for t in range(20) for env in range(4)
    )
    assert scheme.update(rollout) == {"transform/cut_steps": pytest.approx(cut / 80)} and cut


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("clop:1", r"transform=clop: no such transform; did you mean clip\? \(allowed: at_end, clip"),
        ("clip", "transform=clip: clip takes 1 numbers"),
        ("clip:a", "must be numbers"),
        ("noise:inf", "must be finite"),
        ("min_form:0", "must be greater than 0"),
        ("linear_bound:-1", "must be greater than 0"),
    ],
)
def test_what_is_no_transform_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as refusal:
        of(given).build()
    assert "\n" not in str(refusal.value)


def built(*overrides: str):
    parts = build(compose(["env=empty_5x5", "num_envs=4", "frames=1024", *overrides]).config)
    parts.env.close()
    return parts


def test_what_can_not_be_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"reward=none: pays no stream beside the task's"):
        built("reward=none", "reward.transform=[clip:1]")
    for ahead in ("delta", "min_form"):
        with pytest.raises(UserError, match="pays steps by later ones, and an agent on replay"):
            built("agent=dqn", "reward=count", f"reward.transform=[{ahead}]")
    with pytest.raises(UserError, match="its bonus can't be paid anew"):
        built("agent=dqn", "reward=count", "reward.transform=[milestone]", "agent.bonus=replayed", "agent.n_step=1")
    assert built("agent=dqn", "reward=count", "reward.transform=[clip:0.1]").scheme.pays_anew


def test_a_setting_without_transforms_keeps_its_identity():
    plain = compose(["env=empty_5x5", "reward=count"]).setting_id
    assert plain == compose(["env=empty_5x5", "reward=count", "reward.transform=[]"]).setting_id
    assert plain != compose(["env=empty_5x5", "reward=count", "reward.transform=[clip:0.5]"]).setting_id
