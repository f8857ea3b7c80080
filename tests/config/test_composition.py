"""From overrides to a run that is ready to start: what is filled in, and that Hydra's two ways agree."""

import dataclasses
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config import expansion, saved
from rewardlab.config.composition import compose, session
from rewardlab.errors import UserError
from rewardlab.schemas import RootConfig

TOY = ["env=toy", "reward=sweets", "agent=snail"]
PLUGINS = Path(__file__).parents[1] / "user_plugins"


@pytest.fixture(autouse=True, scope="module")
def _user_plugins() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REWARDLAB_PATH", str(PLUGINS))
        yield


def test_a_run_is_typed_and_complete() -> None:
    prepared = compose([*TOY, "reward.coef=2", "seed=3"])
    config = prepared.config
    assert isinstance(config, RootConfig)
    assert (config.env.name, config.env.plugin, config.env.size) == ("toy", "toy", 7)
    assert (config.reward.coef, config.seed, config.frames) == (2.0, 3, 1000)
    assert (config.eval.every, config.checkpoint.every) == (20, 20)
    assert prepared.labels == {"env": "toy", "reward": "sweets-coef=2", "agent": "snail", "curriculum": "none"}
    assert prepared.resolved == yaml.safe_load(yaml.safe_dump(prepared.resolved))
    assert prepared.flat["reward.sizes"] == [64, 64] and prepared.flat["env.levels"] == math.inf
    assert prepared.overrides == [*TOY, "reward.coef=2", "seed=3"]


@pytest.mark.parametrize("text", ["2000000", "2_000_000", "2e6", "2000000.0"])
def test_a_budget_has_many_spellings(text: str) -> None:
    prepared = compose([*TOY, f"frames={text}"])
    assert prepared.config.frames == 2_000_000 and isinstance(prepared.config.frames, int)
    assert prepared.setting_id == compose([*TOY, "frames=2000000"]).setting_id


def test_every_whole_number_may_be_written_as_a_float() -> None:
    wanted = compose([*TOY, "reward=rnd", "eval.every=1000", "num_envs=8", "agent=ppo", "agent.hidden=[64,64]"])
    given = ["seed=1e1", "eval.every=1e3", "num_envs=8.0", "agent=ppo", "agent.hidden=[6.4e1,64]"]
    prepared = compose([*TOY, "reward=rnd", *given])
    config = prepared.config
    assert (config.seed, config.eval.every, config.num_envs, config.agent.hidden) == (10, 1000, 8, [64, 64])
    assert all(type(number) is int for number in (config.seed, config.eval.every, *config.agent.hidden))
    assert prepared.setting_id == wanted.setting_id and prepared.labels == wanted.labels
    with pytest.raises(UserError, match=r"eval\.every=1\.5: must be a whole number"):
        compose([*TOY, "eval.every=1.5"])
    with pytest.raises(UserError, match=r"eval\.every=inf: must be a whole number"):
        compose([*TOY, "eval.every=inf"])


def test_evaluations_are_at_least_a_frame_apart() -> None:
    assert compose([*TOY, "frames=3"]).config.eval.every == 1


def test_a_cadence_that_is_given_stays() -> None:
    config = compose([*TOY, "eval.every=7"]).config
    assert (config.eval.every, config.checkpoint.every) == (7, 7)
    assert compose([*TOY, "eval.every=7", "checkpoint.every=9"]).config.checkpoint.every == 9


def test_results_dir_is_absolute_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert compose([*TOY, "results_dir=here/there"]).config.results_dir == str(tmp_path / "here" / "there")
    assert list(tmp_path.iterdir()) == []


def test_another_seed_of_a_setting_is_the_same_as_composing_it() -> None:
    with session():
        first, second = compose([*TOY, "seed=1"]), compose([*TOY, "seed=2"])
    fresh = compose([*TOY, "seed=2"])
    assert second == fresh
    assert (first.config.seed, second.config.seed) == (1, 2) and first.setting_id == second.setting_id


def test_what_is_computed_from_the_seed_follows_it() -> None:
    with session():
        sizes = [compose([*TOY, "env.size=${seed}", f"seed={seed}"]).config.env.size for seed in (5, 6)]
    assert sizes == [5, 6]


def test_validate_of_a_plugin_is_asked() -> None:
    with pytest.raises(UserError, match=r"^reward\.coef=101: more than anyone can eat$"):
        compose([*TOY, "reward.coef=101"])


def test_the_users_yaml_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "reward").mkdir()
    (tmp_path / "reward" / "bitter.yaml").write_text("defaults: [sweets_schema, _self_]\ncoef: 0.25\n")
    prepared = compose(["env=toy", "reward=bitter", "agent=snail"], str(tmp_path))
    assert (prepared.config.reward.coef, prepared.labels["reward"]) == (0.25, "bitter")


def test_a_choice_inside_a_choice_has_a_name_and_is_in_the_label() -> None:
    prepared = compose(["env=toy", "reward=mix", "+reward@reward.schemes.candy=sweets", "reward.schemes.candy.coef=3"])
    assert prepared.config.reward.schemes["candy"].name == "sweets"
    assert prepared.labels["reward"] == "mix-schemes.candy=sweets-schemes.candy.coef=3"


def test_a_sweep_is_expanded_as_hydra_does_it() -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    line = [*TOY, "reward.coef=1,2.5", "seed=range(0,3)", "env.text=choice('a,b',c)", "hydra.launcher.jobs=1"]
    parsed = OverridesParser.create().parse_overrides(line[:-1])
    with session():
        jobs = expansion.expand(line)
    assert jobs == BasicSweeper.split_arguments(parsed, None)[0]
    assert len(jobs) == 12 and jobs[0] == [*TOY, "reward.coef=1", "seed=0", r"env.text=a\,b"]


def test_a_sweep_over_every_choice_knows_them() -> None:
    with session():
        jobs = expansion.expand(["env=glob(empty_random_*)"])
    assert jobs == [["env=empty_random_5x5"], ["env=empty_random_6x6"]]


def test_each_setting_of_a_sweep_is_validated_once_and_each_run_started_once() -> None:
    seen = []
    jobs, dropped = expansion.valid_jobs(
        [*TOY, "reward.coef=1,2,2.0", "seed=0,1"], None, lambda config: seen.append(config.reward.coef)
    )
    assert seen == [1.0, 2.0]
    assert jobs is not None
    assert [" ".join(job[3:]) for job in jobs] == [f"reward.coef={c} seed={seed}" for c in (1, 2) for seed in (0, 1)]
    assert dropped == []


def test_invalid_combinations_are_dropped_only_on_request() -> None:
    def validate(config: RootConfig) -> None:
        if config.env.size == 3 and config.reward.key == "state":
            raise UserError("too small for a state")

    line = [*TOY, "env.size=3,4", "reward.key=view,state", "seed=0,1"]
    with pytest.raises(UserError, match=r"^env\.size=3 reward\.key=state: too small for a state \(skip_invalid=true"):
        expansion.valid_jobs(line, None, validate)
    jobs, dropped = expansion.valid_jobs([*line, "skip_invalid=true"], None, validate)
    assert jobs is not None and len(jobs) == 6
    assert dropped == ["env.size=3 reward.key=state: too small for a state"]


def test_dropping_every_combination_is_no_sweep() -> None:
    with pytest.raises(UserError, match="frames=0"):
        expansion.valid_jobs([*TOY, "frames=0", "seed=0,1", "skip_invalid=true"], None, lambda config: None)


@settings(max_examples=8, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).filter(
        lambda text: "${" not in text
    ),
    slippery=st.floats(0, 1),
    sizes=st.lists(st.integers(-5, 2000), max_size=3),
    limit=st.none() | st.integers(0, 9),
    seed=st.integers(0, 2**31),
    shared=st.booleans(),
)
def test_a_saved_run_is_repeated_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    text: str, slippery: float, sizes: list[int], limit: int | None, seed: int, shared: bool,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("saved") / "config.yaml"
    with session():
        plain = compose(TOY).resolved
        plain["env"] |= {"text": text, "slippery": slippery}
        plain["reward"] |= {"sizes": sizes, "limit": limit, "shared": shared}
        plain |= {"seed": seed}
        path.write_text(yaml.safe_dump(plain, allow_unicode=True), encoding="utf-8")
        assert compose(saved.repeat(str(path), [])).resolved == plain


def test_a_saved_mix_is_repeated_with_its_parts(tmp_path: Path) -> None:
    original = compose(
        ["env=toy", "reward=mix", "+reward@reward.schemes.candy=sweets", "+reward.weights.candy=0.5", "seed=4"]
    )
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(original.resolved))
    again = compose(saved.repeat(str(path), ["seed=1"]))
    assert (original.config.seed, again.config.seed) == (4, 1)
    assert (again.setting_id, again.labels) == (original.setting_id, original.labels)


def test_a_saved_run_goes_where_this_one_says(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(compose([*TOY, "results_dir=/somewhere", "overwrite=true"]).resolved))
    config = compose(saved.repeat(str(path), [f"results_dir={tmp_path}"])).config
    assert (config.results_dir, config.overwrite) == (str(tmp_path), False)


def test_a_saved_run_reads_no_environment_variable(tmp_path: Path) -> None:
    plain = compose(TOY).resolved
    plain["env"]["text"] = "${oc.env:HOME}"
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain))
    with pytest.raises(UserError, match=r"env\.text: holds an interpolation"):
        saved.repeat(str(path), [])


@pytest.mark.parametrize(
    "content", ["", "a: [", "a: 1", "- 1", "env: {name: toy}", "\x00", "env: {name: 3}\nreward: {}\nagent: {}"]
)
def test_a_file_that_is_no_saved_run_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"config\.yaml: not "):
        saved.repeat(str(path), [])


def test_a_saved_key_that_no_longer_exists_is_named(tmp_path: Path) -> None:
    plain = compose(TOY).resolved
    plain["reward"]["cof"] = 3
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(plain))
    with pytest.raises(UserError, match=r"reward\.cof: no such key; did you mean coef\?"):
        saved.repeat(str(path), [])


def test_a_repeated_run_keeps_its_choices(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(compose(TOY).resolved))
    with pytest.raises(UserError, match="reward=none: --config repeats"):
        saved.repeat(str(path), ["reward=none"])


def test_what_is_prepared_can_be_trusted_to_stay() -> None:
    with session():
        first = compose([*TOY, "seed=1"])
        first.config.reward.coef = 99.0
        first.resolved["reward"]["coef"] = 99.0
        second = compose([*TOY, "seed=1"])
    assert second.config.reward.coef == 0.5 and second.resolved["reward"]["coef"] == 0.5
    assert dataclasses.is_dataclass(second.config)
