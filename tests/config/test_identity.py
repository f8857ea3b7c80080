"""What distinguishes settings, and what they are called."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab import CORE_VERSION, discovery
from rewardlab.config import identity
from rewardlab.config.composition import compose
from rewardlab.schemas import EvalConfig, RootConfig

PLUGINS = Path(__file__).parents[1] / "user_plugins"
# The id of the setting below when it was first written. It may change only with CORE_VERSION or on purpose: then
# every finished run is done anew. A field that is added to the root config needs a neutral value to keep it.
FROZEN = "a74dfbb414513ddc8dfaf9f77bb5536c6eea8d2fd989e8f9045e818dbfd4ee6d"
FROZEN_CORE = 1


@pytest.fixture(autouse=True, scope="module")
def _user_plugins() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REWARDLAB_PATH", str(PLUGINS))
        yield


def toy() -> ModuleType:
    return discovery.load("env", "toy")


def a_config(env: dict[str, Any] | None = None, reward: dict[str, Any] | None = None, **root: Any) -> RootConfig:
    values: dict[str, Any] = {"frames": 1000, "num_envs": 16, "eval": EvalConfig(every=20), "results_dir": "/r", **root}
    return RootConfig(
        env=toy().Config(name="toy", plugin="toy", **(env or {})),
        reward=discovery.load("reward", "sweets").Config(name="sweets", plugin="sweets", **(reward or {})),
        agent=discovery.load("agent", "snail").Config(name="snail", plugin="snail"),
        **values,
    )


def test_the_id_is_frozen() -> None:
    assert CORE_VERSION == FROZEN_CORE, "freeze the id anew"
    assert identity.setting_id(a_config()) == FROZEN


def test_the_id_is_that_of_the_canonical_json() -> None:
    content = {
        "config": {
            "env": {"name": "toy", "plugin": "toy", "levels": float("inf"), "size": 5, "slippery": 0.25, "text": ""},
            "reward": {
                "name": "sweets", "plugin": "sweets", "coef": 0.5, "key": "view", "sizes": [64, 64], "shared": True,
                "limit": None,
            },
            "agent": {"name": "snail", "plugin": "snail", "gamma": 0.99},
            "frames": 1000,
            "num_envs": 16,
            "eval": {"every": 20, "episodes": 100, "policy": "sample", "levels": "heldout"},
        },
        "versions": {"core": CORE_VERSION, "env": 3, "reward": 2, "agent": 1},
    }  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert identity.setting_id(a_config({"slippery": 0.25})) == expected


OPTIONS = {
    "env": st.fixed_dictionaries(
        {},
        optional={
            "size": st.integers(2, 5),
            "slippery": st.sampled_from([0.0, 0.1, 1e-9]),
            "text": st.text(max_size=3),
        },
    ),
    "reward": st.fixed_dictionaries(
        {},
        optional={
            "coef": st.sampled_from([0.5, 0.25, 1e-5]),
            "sizes": st.lists(st.integers(1, 3), max_size=2),
            "shared": st.booleans(),
            "limit": st.none() | st.integers(0, 2),
        },
    ),
    "root": st.fixed_dictionaries({}, optional={"num_envs": st.integers(1, 3), "frames": st.integers(1, 3)}),
    "free": st.fixed_dictionaries(
        {}, optional={"seed": st.integers(0, 3), "device": st.sampled_from(["cpu", "cuda"]), "overwrite": st.booleans()}
    ),
}


@given(first=st.fixed_dictionaries(OPTIONS), second=st.fixed_dictionaries(OPTIONS))
def test_settings_are_equal_exactly_when_their_options_are(first: dict[str, Any], second: dict[str, Any]) -> None:
    configs = [a_config(one["env"], one["reward"], **one["root"], **one["free"]) for one in (first, second)]
    ids = [identity.setting_id(config) for config in configs]
    folders = [_folder(config, setting) for config, setting in zip(configs, ids, strict=True)]
    same = [(config.env, config.reward, config.num_envs, config.frames) for config in configs]
    assert (ids[0] == ids[1]) == (same[0] == same[1])
    assert (folders[0] == folders[1]) == (same[0] == same[1] and configs[0].seed == configs[1].seed)


def _folder(config: RootConfig, setting: str) -> Path:
    plain = a_config()
    groups = ("env", "reward", "agent")
    labels = {group: identity.label(getattr(config, group), getattr(plain, group), {}) for group in groups}
    return identity.folder_for(config.results_dir, labels, config.seed, setting)


def test_what_cannot_change_the_numbers_is_left_out() -> None:
    plain = identity.setting_id(a_config())
    assert identity.setting_id(a_config({"skin": "fancy", "backend": "reference", "frames": 7})) == plain
    assert identity.setting_id(a_config(seed=5, results_dir="/x", skip_invalid=True)) == plain
    prepared = [
        compose(["env=toy", "reward=sweets", "agent=snail", extra]) for extra in ("logger=none", "checkpoint.every=3")
    ]
    assert prepared[0].setting_id == prepared[1].setting_id and prepared[0].folder == prepared[1].folder


def test_a_field_added_later_counts_away_from_its_neutral_value_only() -> None:
    windy = a_config({"wind": 0.5})
    assert identity.setting_id(a_config({"wind": 0.0})) == identity.setting_id(a_config())
    assert identity.setting_id(windy) != identity.setting_id(a_config())
    assert identity.label(windy.env, a_config().env, {}) == "toy-wind=0.5"


def test_versions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.setting_id(a_config())
    monkeypatch.setattr(toy(), "VERSION", 4)
    raised = identity.setting_id(a_config())
    monkeypatch.setattr(toy(), "VERSION", 3)
    assert before == identity.setting_id(a_config()) != raised
    monkeypatch.setattr(identity, "CORE_VERSION", CORE_VERSION + 1)
    assert identity.setting_id(a_config()) not in (before, raised)


def test_a_revision_changes_the_ids_of_its_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = a_config(frames=2000), a_config()
    before = identity.setting_id(long), identity.setting_id(short)
    config = discovery.load("agent", "snail").Config
    monkeypatch.setattr(config, "revision", lambda self, setting: int(setting.frames > 1000))
    assert identity.setting_id(long) != before[0]
    assert identity.setting_id(short) == before[1]


@pytest.mark.parametrize("scheme", ["count", "noveld", "ride", "agac"])
def test_only_settings_that_hash_states_were_revised(scheme: str) -> None:
    lines = [["env=toy", f"reward={scheme}", "agent=snail", f"reward.key={key}"] for key in ("view", "simhash")]
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(discovery.load("reward", scheme).Config, "revision")
        before = [identity.setting_id(compose(line).config) for line in lines]
    after = [identity.setting_id(compose(line).config) for line in lines]
    assert after[0] == before[0] and after[1] != before[1]


def test_versions_of_the_parts_of_a_mix_count(monkeypatch: pytest.MonkeyPatch) -> None:
    line = ["env=toy", "reward=mix", "+reward@reward.schemes.candy=sweets", "agent=snail"]
    before = compose(line).setting_id
    monkeypatch.setattr(sys.modules["rewardlab_user.reward.sweets"], "VERSION", 9)
    assert compose(line).setting_id != before


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "sweets"),
        ({"coef": 0.1, "key": "state"}, "sweets-coef=0.1-key=state"),
        ({"coef": 1e-5}, "sweets-coef=1e-05"),
        ({"coef": 0.1234567890123}, "sweets-coef=0.1234567890123"),
        ({"coef": 2.0}, "sweets-coef=2"),
        ({"shared": False}, "sweets-shared=false"),
        ({"sizes": [32, 16]}, "sweets-sizes=32+16"),
        ({"limit": 3}, "sweets-limit=3"),
    ],
)
def test_a_label_is_the_name_and_what_is_not_default(options: dict[str, Any], label: str) -> None:
    assert identity.label(a_config(reward=options).reward, a_config().reward, {}) == label


def test_a_world_without_a_name_of_its_own_goes_by_its_id() -> None:
    assert compose(["env=gym", "env.id=CartPole-v1"]).labels["env"] == "CartPole-v1"
    assert compose(["env=gym", "env.id=CartPole-v1", "env.levels=5"]).labels["env"] == "CartPole-v1-levels=5"


@given(st.text(max_size=200))
def test_a_label_is_one_harmless_folder_name(text: str) -> None:
    name = identity.safe_name(f"a{text}")
    assert re.fullmatch(r"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,79}", name)
    hidden = identity.safe_name(f".{text}")
    assert not hidden.startswith(".") and "/" not in hidden


def test_long_labels_stay_apart() -> None:
    first, second = (identity.safe_name("x" * 200 + end) for end in "ab")
    assert first != second and len(first) == len(second) == 80


def test_the_folder_holds_labels_seed_and_the_head_of_the_id() -> None:
    prepared = compose(["env=toy", "reward=sweets", "agent=snail", "seed=4", "results_dir=/tmp/r"])
    assert prepared.folder == Path(f"/tmp/r/runs/toy/sweets/snail/seed4-{prepared.setting_id[:12]}")
