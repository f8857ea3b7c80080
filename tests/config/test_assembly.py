"""Configs of sweeps are put together from parts: as Hydra composes them, whatever the overrides are."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config.composition import Prepared, compose, many, session
from rewardlab.errors import UserError

PLUGINS = Path(__file__).parents[1] / "user_plugins"
CHOICES = (
    "env=doorkey_8x8", "env=toy", "env=multiroom_n7_s4", "env=gym", "env=nonsense", "env=null", "env=[toy]",
    "reward=rnd", "reward=sweets", "reward=mix", "reward=count", "reward=./rnd", "reward=rnd_schema", "reward=icm,rnd",
    "agent=snail", "agent=dqn", "agent=ppo", "+agent=dqn", "curriculum=amigo", "curriculum=none", "logger=tensorboard",
    "+experiment=rnd_andres_multiroom_n7_s4", "+experiment=go_explore_policy_multiroom_n4_s5", "+experiment=nonsense",
    "+study=minigrid_core", "study=quick", "hydra/launcher=basic",
)  # fmt: skip
VALUES = (
    "frames=2e6", "frames=5_000", "frames=-1", "frames=abc", "frames=${env.frames}", "num_envs=8", "num_envs=1.5",
    "env.size=6", "env.levels=50", "env.levels=inf", "env.id=MiniGrid-Empty-8x8-v0", "env={size: 6}", "env.frames=7",
    "reward.coef=0.1", "reward.coef=x", "reward.coef=${agent.gamma}", "+reward.coef=1", "+reward.sugar=1",
    "reward.name=a", "reward.weights={rnd: 2.0}", "+reward@reward.schemes.icm=icm", "reward@reward.schemes.rnd=icm",
    "agent.gamma=0.9", "agent.gamma=2",
    "agent.gama=0.9", "agent.hidden=[8,8]", "agent.network=cnn", "agent.network='cnn'",
    "eval.every=null", "eval.policy=greedy", "eval.policy=best", "device=tpu", "results_dir=runs/${env.name}",
    "results_dir='a b'", "results_dir=", "seed=3", "seed=-1", "seed=1.0", "~logger", "nonsense=1", "frames", "a=b=c",
    "hydra.job.name=x", "overwrite=yes", "checkpoint.every=???",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _user_plugins() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REWARDLAB_PATH", str(PLUGINS))
        yield


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(CHOICES), max_size=4), st.lists(st.sampled_from(VALUES), max_size=3)),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_put_together_is_as_composed(jobs: list[tuple[list[str], list[str]]]) -> None:
    lines = [[*choices, *values] for choices, values in jobs]
    with session():
        expected = [_composed(line) for line in lines]
    with many(), session():
        assert [_composed(line) for line in lines] == expected


@pytest.mark.parametrize("choice", [each for each in CHOICES if "," not in each])
def test_every_choice_is_as_composed(choice: str) -> None:
    lines = [[choice], [choice, "frames=5_000", "seed=3"], [choice, "env=doorkey_8x8", "reward=rnd", "agent.gamma=0.5"]]
    with session():
        expected = [_composed(line) for line in lines]
    with many(), session():
        assert [_composed(line) for line in lines] == expected


def test_what_was_composed_serves_the_next_session_and_no_longer(tmp_path: Path) -> None:
    recipe = tmp_path / "experiment" / "mine.yaml"
    recipe.parent.mkdir()

    def frames_of(recipe_frames: int) -> int:
        recipe.write_text(f"# @package _global_\nframes: {recipe_frames}\n")
        return compose(["+experiment=mine", "num_envs=8"], str(tmp_path)).config.frames

    with many():
        assert (frames_of(1000), frames_of(2000)) == (1000, 1000)
    assert frames_of(3000) == 3000


@pytest.mark.parametrize(
    "text",
    [
        "# @package _global_\nreward: {coef: 0.7}\n",
        "# @package _global_\ndefaults: [override /reward: rnd, override /env: doorkey_5x5]\nreward: {coef: 0.7}\n",
        "# @package _global_\ndefaults: [override /reward: rnd, _self_]\nnum_envs: 4\n",
        "# @package _global_\ndefaults: [override /reward: '${env}', _self_]\nnum_envs: 4\n",
        "# @package _global_\ndefaults: [/experiment: other, _self_]\nnum_envs: 4\n",
        "# @package reward\ncoef: 0.7\n",
        "nonsense: 1\n",
    ],
)
def test_a_recipe_of_any_form_is_as_composed(text: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    (tmp_path / "experiment" / "other.yaml").write_text("# @package _global_\nreward: {coef: 0.3}\n")
    lines = [["+experiment=mine", *more] for more in ([], ["reward=rnd"], ["reward=rnd", "reward.coef=2"], ["env=toy"])]
    with session(str(tmp_path)):
        expected = [_composed(line) for line in lines]
    with many(), session(str(tmp_path)):
        assert [_composed(line) for line in lines] == expected


@pytest.mark.parametrize(
    "text",
    [
        "coef: 0.7\n",
        "defaults: [rnd_schema, _self_]\ncoef: 0.7\n",
        "defaults: [_self_, rnd_schema]\nplugin: rnd\ncoef: 0.7\n",
        "defaults: [rnd_schema]\ncoef: 0.7\n",
        "defaults: [rnd]\ncoef: 0.7\n",
        "defaults: [rnd, _self_]\ncoef: ${env.frames}\n",
        "defaults: [rnd, /curriculum@: amigo]\n",
        "defaults: [rnd, override /env: doorkey_5x5]\n",
        "# @package _global_\ndefaults: [/reward@reward: rnd, _self_]\nnum_envs: 4\n",
        "defaults: [rnd_schema, _self_]\ncoefficient: 0.7\n",
    ],
)
def test_a_choice_of_any_form_is_as_composed(text: str, tmp_path: Path) -> None:
    (tmp_path / "reward").mkdir()
    (tmp_path / "reward" / "mine.yaml").write_text(text)
    lines = [["reward=mine", *more] for more in ([], ["env=toy"], ["reward.coef=2", "env=doorkey_8x8"])]
    with session(str(tmp_path)):
        expected = [_composed(line) for line in lines]
    with many(), session(str(tmp_path)):
        assert [_composed(line) for line in lines] == expected


def _composed(overrides: Sequence[str]) -> Prepared | str:
    try:
        return compose(overrides)
    except UserError as error:
        return str(error)
