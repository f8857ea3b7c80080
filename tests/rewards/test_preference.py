"""What is learned from comparisons, what a scheme asks and pays, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.rewards.learned import preference
from rewardlab.types import EnvSpec, Rollout, Transitions

BOX = worlds()["continuous"]
WEIGHTS = torch.tensor([1.0, -0.5, 0.25, 0.0])  # of the next observation; the action counts 0.5 and -1
FAST = {"feedback_start": 0, "hidden": [16], "learning_rate": 3e-3}


def scheme(spec: EnvSpec = BOX, **options) -> preference.Scheme:
    return preference.Scheme(preference.Config(plugin="preference", **{**FAST, **options}), new_context(spec))


def played(seed: int, spec: EnvSpec = BOX, steps: int = 60) -> Rollout:
    """Random steps whose reward is linear in what they led to and the action."""
    rollout = Renderer(spec, seed=1).rollout(write_script(np.random.default_rng(seed), spec, steps, 4))
    rng = torch.Generator().manual_seed(seed)
    obs, reached = (torch.randn(steps, 4, 4, generator=rng) for _ in range(2))
    reward = reached @ WEIGHTS + rollout.action @ torch.tensor([0.5, -1.0])
    return replace(rollout, obs={"vector": obs}, next_obs={"vector": reached}, task_reward=reward)


def fitted(made: preference.Scheme, rollouts: int = 6) -> dict[str, float]:
    """Play, and let fits come to their end; the latest of each metric."""
    told: dict[str, float] = {}
    for seed in range(rollouts):
        told |= made.update(played(seed))
    for seed in range(rollouts, rollouts + 400):
        if not made.learner.fitting.going:
            return told
        told |= made.update(played(seed, steps=1))
    raise AssertionError("the fit does not end")


def correlation(made: preference.Scheme, **changes) -> float:
    rollout = replace(played(77), **changes)
    paid = made.compute(rollout).streams["intrinsic"].flatten().numpy()
    return float(np.corrcoef(paid, rollout.task_reward.flatten().numpy())[0, 1])


def test_a_linear_reward_is_found_from_500_exact_comparisons_of_single_steps() -> None:
    made = scheme(segment=1, queries=500, query="uniform", output="linear", accuracy=0.995, epochs=300)
    told = fitted(made)
    assert told["explore/preference_asked"] == told["explore/preference_answered"] == 500
    assert told["explore/preference_steps"] == 1 and made.streams[0].coef == 0
    assert correlation(made) > 0.99 and told["explore/preference_rank"] > 0.99


@pytest.mark.parametrize("loss", ["margin", "scaled", "regression"])
def test_other_losses_find_it_too(loss: str) -> None:
    made = scheme(segment=3, queries=300, query="entropy", output="linear", loss=loss, accuracy=1.0, epochs=60)
    fitted(made)
    assert correlation(made) > 0.95


def test_a_model_that_learned_ratings_first_keeps_its_trunk_alone() -> None:
    made = scheme(segment=1, queries=300, query="uniform", init="regression", epochs=200, accuracy=0.97)
    learner = made.learner
    learner.fitting._piece = 0.0  # a gradient step at a time
    made.update(played(0))
    drawn = [weight.detach().clone() for weight in learner.model.ensemble.weights]
    again = scheme(segment=1, init="regression")
    again.learner.load_state_dict(learner.state_dict())
    assert learner._rates and again.learner._rates
    while learner._rates:
        before = [weight.detach().clone() for weight in learner.model.ensemble.weights]
        learner.learn()
    after = learner.model.ensemble.weights
    assert learner.fitting.going and not torch.equal(after[0], drawn[0]), "the second fit begins with what was learned"
    assert float(after[-1].detach().abs().max()) <= 0.1 and not torch.equal(after[-1], before[-1]), (
        "orthogonal, gain 0.1"
    )
    again.learner.load_state_dict(learner.state_dict())
    assert not again.learner._rates
    assert float(learner.model.ensemble.biases[-1].detach().abs().max()) == 0
    learner.fitting._piece = 1e10
    fitted(made)
    assert correlation(made) > 0.9


def test_what_is_probed_is_read_off_the_features() -> None:
    """A number that decides the answers is known after a fit; a product of two that mattered less is not."""
    made = scheme(segment=1, queries=200, query="uniform", epochs=50, probe=["vector[0]", "vector[2] * vector[1]"])
    told = fitted(made)
    assert made.metrics[-2:] == ("explore/preference_probe_0", "explore/preference_probe_1")
    assert told["explore/preference_probe_0"] > 0.8 > 0.4 > told["explore/preference_probe_1"]
    plain = scheme(segment=1, queries=200, query="uniform", epochs=50)
    fitted(plain)
    rollout = played(77)
    assert torch.equal(made.compute(rollout).streams["intrinsic"], plain.compute(rollout).streams["intrinsic"])


def test_strengths_are_what_the_first_model_sees() -> None:
    options = {
        "segment": 2,
        "absorbing": False,
        "queries": 40,
        "feedback": 80,
        "feedback_every": 100,
        "query": "uniform",
        "epochs": 5,
    }
    made = scheme(loss="margin", strength="direction", **options)
    made.update(played(0))
    learner = made.learner
    first, inputs = learner._first, learner.inputs
    assert first is not None and not learner.fitting.going
    while made._asked < 80:
        made.update(played(made._asked + 1))
    assert not torch.equal(first.ensemble.weights[0], learner.model.ensemble.weights[0])
    kept = learner.known()
    hidden = first.ensemble.trunk(inputs(kept).flatten(0, 2)).view(3, 80, 2, 2, -1).detach().numpy()
    played_too = (np.arange(2) < kept["length"].numpy()[:, None])[None, :, None, :, None]
    hidden = (hidden * played_too).sum(axis=3) / kept["length"].numpy()[None, :, None, None]
    apart = (hidden[:, :, 0] - hidden[:, :, 1]) * (2 * kept["preferred"].numpy() - 1)[None, :, None]
    ahead = apart.mean(axis=1)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    seen = np.maximum(0, np.einsum("ech,eh->ec", apart, ahead))
    found = learner._known().strength.numpy()
    assert found == pytest.approx(seen / seen.mean(axis=1, keepdims=True), rel=1e-3, abs=1e-4)
    again = scheme(loss="margin", strength="direction", **options)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.learner._known().strength, learner._known().strength)


def test_it_pays_what_the_networks_of_now_say() -> None:
    made = scheme(queries=100, agg="mean_minus_std", epochs=5)
    fitted(made)
    rollout = played(78)
    inputs = torch.cat([rollout.obs["vector"], rollout.action, rollout.next_obs["vector"]], dim=-1)
    scale = made.inputs._used
    for part in (slice(0, 4), slice(6, 10)):
        mean, std = scale.vector_mean, (scale.vector_squares / scale.count).sqrt()
        inputs[..., part] = ((inputs[..., part] - mean) / std).clamp(-10, 10).float()
    members = []
    for k in range(3):
        values = inputs.numpy()
        for index, (weight, bias) in enumerate(
            zip(made.learner.model.ensemble.weights, made.learner.model.ensemble.biases, strict=True)
        ):
            values = np.where(values > 0, values, 0.01 * values) if index else values
            values = values @ weight[k].detach().numpy() + bias[k].detach().numpy()
        members.append(np.tanh(values[..., 0]))
    expected = np.mean(members, axis=0) - np.std(members, axis=0) - made._offset
    assert made.compute(rollout).streams["intrinsic"].numpy() == pytest.approx(expected, abs=1e-4)
    flat = Transitions(
        {"vector": rollout.obs["vector"].flatten(0, 1)},
        rollout.action.flatten(0, 1),
        {},
        {"vector": rollout.next_obs["vector"].flatten(0, 1)},
    )
    assert made.rewards_of(flat)["intrinsic"].numpy() == pytest.approx(expected.flatten(), abs=1e-4)


def test_what_is_paid_on_average_is_subtracted() -> None:
    plain, centred = (scheme(queries=100, query="uniform", epochs=30, centre=centre) for centre in (False, True))
    means = []
    for made in (plain, centred):
        fitted(made)
        means.append(made.compute(played(3)).streams["intrinsic"])
    assert made._offset != 0 and torch.allclose(means[0] - means[1], torch.tensor(made._offset), atol=1e-5)
    assert abs(float(means[1].mean())) < 0.1 * float(means[1].std())


def answers(made: preference.Scheme) -> dict[str, torch.Tensor]:
    return made.learner.comparisons.at(np.arange(len(made.learner.comparisons))).extra


def test_a_share_of_mistakes_and_the_budget_of_questions_are_kept() -> None:
    made = scheme(queries=40, feedback=100, feedback_every=100, query="kcenter", mistake=1.0, segment=2, epochs=1)
    told = fitted(made)
    assert told["explore/preference_asked"] == 100 and len(made.learner.comparisons) == 100
    kept = answers(made)
    sums = kept["rating"] * kept["played"]
    better = sums[:, 0] > sums[:, 1]
    assert torch.equal(kept["preferred"], 1.0 - better.float()), "every answer is turned round"


def test_one_round_only() -> None:
    made = scheme(queries=10, feedback=None, feedback_every=0, query="uniform", epochs=1)
    assert fitted(made)["explore/preference_asked"] == 10


def test_questions_are_spread_over_the_budget() -> None:
    made = scheme(queries=10, feedback=40, query="uniform", epochs=1)
    asked = []
    for seed, spent in enumerate([0.0, 0.1, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]):
        asked.append(made.update(replace(played(seed), progress=spent))["explore/preference_asked"])
    assert asked == [10, 10, 20, 20, 30, 30, 40, 40]


def worth_of_a_step(each_step_pays: bool, absorbing: bool) -> tuple[float, float]:
    """Before and after a fit. All steps look alike; episodes of 5 terminate, those of 20 are cut."""
    options = {"features": "terms", "terms": ["vector[0]"], "segment": 20, "queries": 60, "query": "uniform"}
    options |= {"output": "linear", "epochs": 60, "accuracy": 1.0, "learning_rate": 0.01, "feedback_start": 50}
    made = scheme(absorbing=absorbing, **options)

    def alike(length: int) -> dict[str, torch.Tensor]:
        return {"vector": torch.zeros(length, 4, 4)}

    before = float(made.compute(replace(played(0, steps=20), next_obs=alike(20))).streams["intrinsic"].mean())
    for seed, length in enumerate([5, 20]):
        last = (torch.arange(length) == length - 1).view(-1, 1).expand(-1, 4)
        solved = last if length == 5 else torch.zeros_like(last)
        changes = {"first": last.roll(1, dims=0), "terminated": solved, "truncated": last & ~solved}
        reward = torch.ones(length, 4) if each_step_pays else solved.float()
        made.update(
            replace(played(seed, steps=length), next_obs=alike(length), task_reward=reward, success=solved, **changes)
        )
    while made.learner.fitting.going:
        made.learner.learn()
    assert made._answered == 60
    return before, float(made.compute(replace(played(0, steps=20), next_obs=alike(20))).streams["intrinsic"].mean())


def test_what_follows_a_termination_tells_where_zero_is() -> None:
    """Where ending pays, going on costs; where each step pays, it is worth something. Cut alike, nothing is told."""
    assert worth_of_a_step(each_step_pays=False, absorbing=True)[1] < -0.02
    assert worth_of_a_step(each_step_pays=True, absorbing=True)[1] > 0.02
    before, after = worth_of_a_step(each_step_pays=True, absorbing=False)
    assert after == pytest.approx(before, abs=1e-6)


def test_before_the_first_answers_far_states_are_paid() -> None:
    """The distance to the k-th nearest other state so far, divided by the deviation of all such distances."""
    made = scheme(explore=2, feedback_start=300, queries=5, query="uniform", epochs=1)
    states, distances = np.zeros((0, 4), np.float32), []
    for seed in range(2):
        rollout = played(seed, steps=20)
        paid = made.compute(rollout).streams["intrinsic"].flatten().numpy()
        reached = rollout.next_obs["vector"].flatten(0, 1).numpy()
        states = np.concatenate([states, reached])
        found = [np.sort(np.linalg.norm(states - state, axis=1))[2] for state in reached]
        distances += found
        assert paid == pytest.approx(found / np.std(distances), rel=1e-4)
        made.update(rollout)
    steps = Transitions(
        {"vector": rollout.obs["vector"][0]}, rollout.action[0], {}, {"vector": torch.from_numpy(reached[:4])}
    )
    assert made.rewards_of(steps)["intrinsic"].numpy() == pytest.approx(paid[:4], rel=1e-4)
    fitted(made)
    later = made.compute(rollout).streams["intrinsic"]
    assert made._answered and torch.equal(later, made._paid(made._columns(rollout))), "then the model pays"


def factors(rate: float) -> preference.Scheme:
    terms = [f"{rate} * (vector[0] > 0.3)", "vector[1]", f"{rate} * action[0]"]
    return scheme(
        comparator="lexicographic", features="both", terms=terms, segment=1, queries=400, query="uniform", epochs=1
    )


def test_rescaling_a_factor_leaves_every_label() -> None:
    """That of a weighted sum of the same factors is another then."""
    plain, rescaled = factors(1.0), factors(100.0)
    fitted(plain, 3)
    fitted(rescaled, 3)
    one, other = answers(plain), answers(rescaled)
    assert torch.equal(one["preferred"], other["preferred"]) and 50 < len(one["preferred"]) < 400
    sums = [kept["terms"].sum(dim=(2, 3)) for kept in (one, other)]
    assert not torch.equal(sums[0][:, 0] > sums[0][:, 1], sums[1][:, 0] > sums[1][:, 1])
    apart = one["terms"][:, 0, 0] - one["terms"][:, 1, 0]
    decided = apart[:, 0] != 0
    assert torch.equal(one["preferred"][decided], (apart[decided, 0] > 0).float()), "a boolean decides where it differs"


def test_a_factor_that_reads_ends_is_paid_when_played_alone() -> None:
    assert not scheme(comparator="lexicographic", terms=["terminated"], features="both").pays_anew
    assert scheme(comparator="lexicographic", terms=["terminated"]).pays_anew


def test_success_is_compared_with_failure() -> None:
    made = scheme(comparator="success", queries=30, segment=5, query="uniform", epochs=1)
    fitted(made)
    assert len(made.learner.comparisons) == 30 and 0 < int(answers(made)["preferred"].sum()) < 30


def test_terms_alone_are_seen() -> None:
    made = scheme(features="terms", terms=["vector[0]", "vector[1]"], segment=1, queries=300, query="uniform", epochs=9)
    fitted(made)
    rollout = played(79)
    other = replace(rollout, obs={"vector": rollout.obs["vector"] + 1}, action=-rollout.action)
    one, two = (made.compute(each).streams["intrinsic"] for each in (rollout, other))
    assert torch.equal(one, two) and float(one.std()) > 0.01


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("reward.comparator=lexicographic", ["comparator=lexicographic", "needs terms"]),
        ("reward.comparator=retrun", ["did you mean return"]),
        ("reward.terms=[1+]", ["terms=1+"]),
        ("reward.terms=['2']", ["the same for every step"]),
        ("reward.probe=['2']", ["probe=2", "the same for every step"]),
        ("reward.features=terms", ["needs reward.terms"]),
        ("reward.terms=['speed']", ["cannot give speed"]),
        ("reward.loss=regression", ["output=linear"]),
        ("reward.loss=regression reward.output=linear reward.comparator=success", ["comparator=return"]),
        ("reward.strength=direction", ["loss=bt", "loss=margin"]),
        ("reward.init=regression reward.comparator=success", ["init=regression", "comparator=return"]),
        ("reward.explore=5 reward.labels=labels.csv", ["explore", "labels=FILE"]),
        ("reward.feedback=null", ["feedback=null", "feedback_every"]),
        ("reward.members=1", ["members=1", "query=uniform"]),
        ("reward.hidden=[]", ["one width"]),
    ],
)
def test_what_does_not_fit_is_refused(
    line: str, said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "env=empty_5x5", "reward=preference", *line.split(), f"results_dir={tmp_path}"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert all(part in told for part in said), told
    assert not list(tmp_path.iterdir())
