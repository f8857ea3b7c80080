"""Mixes: each scheme pays as it would with its own random streams, under a name and a weight of its own."""

import dataclasses
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from made_up import STEPS, case, rollouts, steps_of
from omegaconf import OmegaConf

from rewardlab import discovery
from rewardlab.config import composition
from rewardlab.contracts import reward_laws
from rewardlab.contracts.replay_laws import _steps, pays_anew_as_declared
from rewardlab.contracts.result import Broken
from rewardlab.contracts.reward_case import RewardCase
from rewardlab.contracts.reward_laws import episodic_memory_clears
from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.rewards import mix, terms
from rewardlab.rewards.bonus import agac, count, icm, rnd
from rewardlab.rewards.imitation import rapid
from rewardlab.schemas import check
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.types import Judgement


def composed(*overrides: str) -> Any:
    with initialize_config_dir(str(Path(discovery.conf_dir()).resolve()), version_base="1.3"):
        return OmegaConf.to_object(compose("config", overrides=["reward=mix", *overrides]).reward)


def mixed(**schemes: Any) -> RewardCase:
    config = mix.Config(plugin="mix", schemes=schemes)
    return RewardCase(mix.Scheme, config, worlds(config.privileged())["grid"])


def test_streams_carry_the_schemes_names_and_weights() -> None:
    a_case = mixed(near=count.Config(plugin="count", coef=0.01), far=rnd.Config(plugin="rnd", coef=0.5))
    a_case.config.weights = {"near": 3.0}
    scheme, _ = a_case.build()
    assert [(s.name, s.coef, s.episodic) for s in scheme.streams] == [
        ("task", 1.0, True),
        ("near", pytest.approx(0.03), True),
        ("far", 0.5, False),
    ]
    assert scheme.metrics == ("explore/near.states", "loss/far.rnd_predictor")
    assert scheme.warmup_steps == rnd.Config().warmup


def test_a_counting_scheme_pays_in_a_mix_what_it_pays_alone() -> None:
    a_case = mixed(near=count.Config(plugin="count"), far=icm.Config(plugin="icm"))
    scheme, alone = a_case.build()[0], case("count").build()[0]
    for rollout in rollouts(a_case, STEPS, 5):
        assert torch.equal(scheme.compute(rollout).streams["near"], alone.compute(rollout).streams["intrinsic"])
        scheme.update(rollout)


def test_each_scheme_has_random_streams_of_its_own() -> None:
    one = rnd.Config(plugin="rnd")
    a_case = mixed(a=one, b=one)
    rollout = rollouts(a_case, STEPS)[0]
    streams = a_case.build()[0].compute(rollout).streams
    assert not torch.allclose(streams["a"], streams["b"])
    beside = mixed(c=icm.Config(plugin="icm"), b=one).build()[0].compute(rollout).streams
    assert torch.equal(streams["b"], beside["b"])  # whatever else is in the mix, in whatever order


def test_a_checkpoint_restores_each_schemes_random_streams() -> None:
    a_case = mixed(a=count.Config(plugin="count"), b=count.Config(plugin="count"))
    scheme, other = a_case.build()[0], a_case.build()[0]

    def draw(one: mix.Scheme) -> list[Any]:
        contexts = [part.context for part in one.schemes.values()]
        drawn = [context.numpy_rng.integers(100, size=3, dtype=np.int32).tolist() for context in contexts]
        return [*drawn, *(torch.rand(3, generator=context.generator).tolist() for context in contexts)]

    draw(scheme)  # an odd number of 32-bit integers: half a word is left over
    file = io.BytesIO()
    torch.save(scheme.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert draw(scheme) == draw(other)


def test_facts_and_assumptions_are_united() -> None:
    a_case = mixed(a=count.Config(plugin="count", key="state"), b=count.Config(plugin="count"))
    scheme, _ = a_case.build()
    assert a_case.config.privileged() == scheme.privileged == ("state_hash",)
    assert scheme.assumes == {"privileged"}


def test_each_stream_of_a_mix_remembers_as_its_scheme_does() -> None:
    lifelong, episodic = (count.Config(plugin="count", scope=scope) for scope in ("lifelong", "episodic"))
    inner = mix.Config(plugin="mix", schemes={"x": episodic, "y": lifelong})
    a_case = mixed(inner=inner, near=episodic, far=lifelong)
    scheme, _ = a_case.build()
    assert {spec.name: scheme.clears(spec.name) for spec in scheme.streams} == {
        "task": False, "inner.x": True, "inner.y": False, "near": True, "far": False,
    }  # fmt: skip
    episodic_memory_clears(a_case)


def test_each_stream_of_a_mix_fades_as_its_scheme_says() -> None:
    a_case = mixed(near=count.Config(plugin="count", coef=0.01, coef_end=0.5), far=icm.Config(plugin="icm", coef=1.0))
    a_case.config.weights = {"near": 2.0}
    _, near, far = a_case.build()[0].streams
    assert [near.weight(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([0.02, 0.015, 0.01])
    assert far.weight(1.0) == 1.0


def test_a_memory_in_a_mix_is_held_to_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    a_case = mixed(near=count.Config(plugin="count", scope="episodic"), far=icm.Config(plugin="icm"))
    episodic_memory_clears(a_case)
    remembers = EpisodeCounts.add
    monkeypatch.setattr(
        EpisodeCounts, "add", lambda self, keys, starts, first: remembers(self, keys, starts, first & False)
    )
    with pytest.raises(Broken, match="near: the second of two equal episodes"):
        episodic_memory_clears(a_case)


def test_mixes_can_be_mixed() -> None:
    inner = mix.Config(plugin="mix", schemes={"x": count.Config(plugin="count"), "y": icm.Config(plugin="icm")})
    scheme, _ = mixed(inner=inner, z=count.Config(plugin="count")).build()
    assert [spec.name for spec in scheme.streams] == ["task", "inner.x", "inner.y", "z"]


def test_yaml_composes_schemes_with_their_schemas() -> None:
    config = composed("reward.schemes.rnd.epochs=2", "+reward@reward.schemes.icm=icm", "reward.weights.count=0.5")
    check(config, "reward.")
    assert isinstance(config.schemes["count"], count.Config) and isinstance(config.schemes["icm"], icm.Config)
    assert config.schemes["rnd"].epochs == 2 and config.weights["count"] == 0.5
    assert composed("reward@reward.schemes.count=icm").schemes["count"].plugin == "icm"
    alone = composed("reward.schemes.rnd=null")
    check(alone, "reward.")
    scheme, _ = RewardCase(mix.Scheme, alone, worlds()["grid"]).build()
    assert [spec.name for spec in scheme.streams] == ["task", "count"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+reward.weights.rdn=1"], r"reward\.weights\.rdn=1\.0: no such scheme \(allowed: count, rnd\)"),
        (["reward.weights.rnd=-1"], r"reward\.weights\.rnd=-1\.0: must be at least 0"),
        (["reward.schemes.rnd.epochs=0"], r"reward\.schemes\.rnd\.epochs=0: must be greater than 0"),
        (["+reward.schemes.mine=3"], r"reward\.schemes\.mine=3: add a scheme as \+reward@reward\.schemes\.mine=NAME"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(composed(*overrides), "reward.")


def test_an_empty_mix_is_refused() -> None:
    with pytest.raises(UserError, match="needs at least one"):
        check(mix.Config(plugin="mix"), "reward.")


def test_terms_beside_streams_are_weighed_too() -> None:
    a_case = mixed(near=agac.Config(plugin="agac"), best=rapid.Config(plugin="rapid", updates=2))
    a_case.config.weights = {"near": 3.0, "best": 0.5}
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    own = scheme.schemes["near"].compute(rollout)
    signals = a_case.build()[0].compute(rollout)
    assert torch.allclose(signals.advantage_bonus, 3.0 * own.advantage_bonus)
    assert torch.allclose(signals.value_target_bonus, 3.0 * own.value_target_bonus)
    scheme.compute(rollout)
    (loss,) = scheme.aux_losses()
    assert loss.name == "best.rapid" and len(list(loss.batches())) == 2
    log_prob = torch.tensor([-4.0])
    assert float(loss.loss(None, Judgement(log_prob, log_prob, log_prob))) == 2.0


def combined(rule: str, *texts: str, transform: Any = None, **options: Any) -> RewardCase:
    """A mix of one scheme of terms a, b, ... and one of a single term, `last`."""
    *several, last = texts
    names = {name: text for name, text in zip("abcd", several, strict=False)}
    schemes = {
        "some": terms.Config(plugin="terms", terms=names, weights={"a": 0.5}),
        "last": terms.Config(plugin="terms", terms={"x": last}, transform=transform or []),
    }
    config = mix.Config(plugin="mix", schemes=schemes, combine=rule, weights={"last": 2.0}, **options)
    return RewardCase(mix.Scheme, config, worlds(config.privileged())["grid"])


def parts_of(a_case: RewardCase, rollout: Any) -> list[Any]:
    """What the scheme pays apart, weighed, in the order of the schemes."""
    config = dataclasses.replace(a_case.config, combine="sum", coef=1.0, parts=[], share=0.5, thresholds=[])
    scheme, _ = dataclasses.replace(a_case, config=config).build()
    streams = scheme.compute(rollout).streams
    return [spec.coef * streams[spec.name].double().numpy() for spec in scheme.streams[1:]]


NEAR, FAR, ROW = "10 - distance", "distance / 20", "agent_pos[0] / 3 - 0.5"


@pytest.mark.parametrize(
    ("rule", "options", "expected"),
    [
        ("product", {}, lambda a, b, c: a * np.clip(b, 0, 1) * np.clip(c, 0, 1)),
        ("kinesthetic", {}, lambda a, b, c: np.abs(a * b * c) ** (1 / 3) * (1 - 2 * ((a < 0) | (b < 0) | (c < 0)))),
        ("gated", {"thresholds": [-1.0, 0.4]}, lambda a, b, c: a + (a >= -1) * (b + (b >= 0.4) * c)),
        ("r3", {}, lambda a, b, c: a * b - c),
    ],
)  # fmt: skip
def test_streams_become_one(rule: str, options: Any, expected: Any) -> None:
    a_case = combined(rule, NEAR, FAR, ROW, coef=0.3, **options)
    scheme, _ = a_case.build()
    assert [(spec.name, spec.coef, spec.gamma) for spec in scheme.streams] == [
        ("task", 1.0, 0.97), ("combined", 0.3, 0.97),
    ]  # fmt: skip
    rollout = rollouts(a_case, 30)[0]
    streams = scheme.compute(rollout).streams
    np.testing.assert_allclose(streams["combined"], expected(*parts_of(a_case, rollout)), rtol=1e-5, atol=1e-6)
    assert scheme.pays_anew and scheme.clears("combined")
    assert torch.equal(scheme.rewards_of(_steps(rollout))["combined"], streams["combined"].flatten())
    for law in (*reward_laws.LAWS, pays_anew_as_declared):
        law(a_case)


def test_the_harmonic_mean_of_two_and_a_third_that_stays() -> None:
    a_case = combined("harmonic", NEAR, FAR, ROW, parts=["last", "some.a"], share=0.2)
    scheme, _ = a_case.build()
    assert [spec.name for spec in scheme.streams] == ["task", "some.b", "combined"]
    rollout = rollouts(a_case, 30)[0]
    near, far, row = parts_of(a_case, rollout)
    positive = (row > 0) & (near > 0)
    with np.errstate(divide="ignore"):
        expected = np.where(positive, 1 / (0.2 / row + 0.8 / near), 0.0)
    paid = scheme.compute(rollout).streams
    np.testing.assert_allclose(paid["combined"], expected, rtol=1e-5)
    np.testing.assert_allclose(paid["some.b"], far, rtol=1e-6)
    assert 0 < positive.sum() < positive.size
    assert set(scheme.rewards_of(_steps(rollout))) == {"some.b", "combined"}


def test_a_mixed_grain_is_paid_at_the_end_across_rollouts() -> None:
    a_case = combined("mixed_grain", "task", FAR, share=0.25)
    scheme, _ = a_case.build()
    assert not scheme.pays_anew
    made, gave = rollouts(a_case, 7, 1, 30), {}
    paid = [scheme.compute(rollout).streams["combined"] for rollout in made]
    parts = [parts_of(a_case, rollout) for rollout in made]
    for number, t, env, episode, _ in steps_of(made):
        whole, step = (part[t, env] for part in parts[number])
        gave.setdefault(episode, []).append(step)
        expected = 0.25 * whole + 0.75 * np.mean(gave[episode]) * bool(made[number].done[t, env])
        assert float(paid[number][t, env]) == pytest.approx(expected, abs=1e-5)
    for law in reward_laws.LAWS:
        law(a_case)


def test_a_part_that_looks_ahead_makes_the_whole_look_ahead() -> None:
    a_case = combined("product", NEAR, ROW, transform=["delta"])
    with pytest.raises(UserError, match="last has gamma=1 "):
        a_case.build()
    a_case.config.schemes["some"].gamma = 1.0
    scheme, _ = a_case.build()
    assert scheme.looks_ahead and scheme.streams[-1].gamma == 1.0
    assert scheme.metrics == ("transform/last.cut_steps",)
    assert not combined("product", NEAR, ROW).build()[0].looks_ahead


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: combined("r3", NEAR, FAR), r"combine=r3: takes 3 streams, and there are 2 \(some, last\)"),
        (lambda: combined("harmonic", NEAR, FAR, ROW), "combine=harmonic: takes 2 streams, and there are 3"),
        (
            lambda: combined("gated", NEAR, FAR, ROW, thresholds=[0.1]),
            r"thresholds=\[0.1\]: .* 2 for some.a",
        ),
        (lambda: combined("product", NEAR, FAR, ROW, parts=["some.a", "lost"]), "parts=lost: .*did you mean last"),
        (
            lambda: mixed(near=count.Config(plugin="count"), far=rnd.Config(plugin="rnd")),
            "far has gamma=0.99 ",
        ),
        (
            lambda: mixed(near=count.Config(plugin="count"), far=count.Config(plugin="count", coef_end=0.5)),
            "the weight of far fades",
        ),
    ],
)
def test_streams_that_do_not_fit_a_rule_are_refused_in_one_line(change: Any, message: str) -> None:
    a_case = change()
    if a_case.config.combine == "sum":
        a_case.config.combine = "product"
    with pytest.raises(UserError, match=message) as refusal:
        a_case.build()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.2, "combine": "product"}, "share=0.2: only with combine=harmonic,mixed_grain"),
        ({"coef": 0.2}, "coef=0.2: only with combine=product,kinesthetic"),
        ({"thresholds": [1.0], "combine": "r3"}, r"thresholds=\[1.0\]: only with combine=gated"),
        ({"combine": "min"}, "combine=min: no such option"),
    ],
)
def test_options_of_another_rule_are_refused(options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(mix.Config(plugin="mix", schemes={"a": count.Config(plugin="count")}, **options), "reward.")


def test_a_mix_that_combines_nothing_keeps_its_identity() -> None:
    base = ["env=empty_5x5", "reward=mix", "reward.schemes.rnd.episodic=true"]
    plain = composition.compose(base).setting_id
    assert plain == composition.compose([*base, "reward.combine=sum", "reward.share=0.5"]).setting_id
    assert plain != composition.compose([*base, "reward.combine=product"]).setting_id


def test_what_is_replayed_is_paid_the_product_of_now() -> None:
    """Through the buffer: kept as collected and paid anew, the sum of the streams is the same."""
    given = [
        "env=empty_5x5", "agent=dqn", "num_envs=4", "frames=2048", "agent.rollout_steps=8", "agent.batch_size=64",
        "agent.n_step=1", "reward=product", "reward.schemes.progress.transform=[]", "reward.coef=0.5",
        "reward.schemes.progress.terms.way=10 - distance",
        "reward.schemes.factors.terms.alive=null", "reward.task_coef=2",
        "reward.schemes.factors.terms.clear_of_lava='agent_pos[0] / 4'",
    ]  # fmt: skip
    paid = {}
    for bonus in ("collected", "replayed"):
        config = composition.compose([*given, f"agent.bonus={bonus}"]).config
        parts = build(config)
        learning = make_learning(config, parts)
        for spent in range(0, 2048, 32):
            learning.iterate(spent)
        batch, _ = learning._replay.sample(200, np.random.default_rng(0))
        if bonus == "replayed":
            learning._pay_anew(batch, 0.5)
        paid[bonus] = batch.extra["reward"]
        parts.env.close()
    assert paid["replayed"].std() > 0.1
    torch.testing.assert_close(paid["replayed"], paid["collected"])


def test_a_multiplier_rises_while_a_constraint_does_not_hold() -> None:
    schemes = {"cost": terms.Config(plugin="terms", terms={"x": "distance / 30 - 0.5"})}
    config = mix.Config(plugin="mix", schemes=schemes, combine="lagrangian", thresholds=[0.5], weights={"cost": 2.0})
    a_case = RewardCase(mix.Scheme, config, worlds(config.privileged())["grid"])
    scheme, _ = a_case.build()
    assert scheme.mixes_advantages and [spec.name for spec in scheme.streams] == ["task", "cost"]
    made, sums, xi, velocity = rollouts(a_case, 20, 1, 25, 30), {}, 0.0, 0.0
    rows = list(steps_of(made))
    for number, rollout in enumerate(made):
        signals, ended = scheme.compute(rollout), []
        share = 1 / (1 + math.exp(-xi))
        assert signals.mixture == {"task": pytest.approx(1 - share), "cost": pytest.approx(share)}
        for at, t, env, episode, _ in rows:
            if at == number:
                sums[episode] = sums.get(episode, 0.0) + 2.0 * float(signals.streams["cost"][t, env])
                ended += [sums[episode]] if rollout.done[t, env] else []
        if ended:
            velocity = 0.9 * velocity + share * (1 - share) * (np.mean(ended) - 0.5)
            xi -= 0.05 * velocity
        found = scheme.update(rollout)["combine/constraint_share"]
        assert found == pytest.approx(1 / (1 + math.exp(-xi)), abs=1e-6)
    assert abs(found - 0.5) > 1e-3
    for law in reward_laws.LAWS:
        law(a_case)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent=dqn"], "mixes advantages, which an agent on replay has not"),
        (["agent.streams=joint"], "mixes the advantages of its streams; use agent=ppo agent.streams=separate"),
        (["reward.thresholds=[]"], r"thresholds=\[\]: combine=lagrangian needs one, of count"),
        (["reward@reward.schemes.rnd=count"], "takes one stream beside the task's, and there are count, rnd"),
    ],
)
def test_a_multiplier_that_does_not_fit_is_refused_in_one_line(overrides: list[str], message: str) -> None:
    given = ["env=empty_5x5", "reward=mix", "reward.combine=lagrangian", "reward.thresholds=[1]", "num_envs=4"]
    given += [] if any("rnd" in override for override in overrides) else ["reward.schemes.rnd=null"]
    with pytest.raises(UserError, match=message):
        build(composition.compose([*given, *overrides]).config)
