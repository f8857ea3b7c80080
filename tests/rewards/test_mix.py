"""Mixes: each scheme pays as it would with its own random streams, under a name and a weight of its own."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from made_up import STEPS, case, rollouts
from omegaconf import OmegaConf

from rewardlab import discovery
from rewardlab.contracts.result import Broken
from rewardlab.contracts.reward_laws import RewardCase, episodic_memory_clears
from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.rewards import mix
from rewardlab.rewards.bonus import agac, count, icm, rnd
from rewardlab.rewards.imitation import rapid
from rewardlab.schemas import check
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
