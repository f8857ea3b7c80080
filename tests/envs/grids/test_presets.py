"""Every preset composes, builds and steps; its name is Farama's; the facts it states are those of its task."""

import subprocess
import sys

import numpy as np
import pytest
from hand import bare
from omegaconf import OmegaConf

from rewardlab import discovery, schemas
from rewardlab.config import composition
from rewardlab.envs import registry
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels

PRESETS = sorted(path.stem for path in (discovery.conf_dir() / "env").glob("*.yaml"))
BY_ID = {
    "atari": "Breakout",
    "gym": "CartPole-v1",
    "minigrid": "MiniGrid-Empty-5x5-v0",
    "minihack": "MiniHack-Room-Random-5x5-v0",
    "robotics": "PointMaze_UMaze-v3",
}  # these need env.id
PACKAGES = {"procgen_schema": "envpool", "vizdoom_schema": "vizdoom"}  # of extras that the tests do without
YAML = {stem: OmegaConf.load(discovery.conf_dir() / "env" / f"{stem}.yaml") for stem in PRESETS}
FAMILIES = {stem: yaml.defaults[0] for stem, yaml in YAML.items() if yaml.defaults[0] in PRESETS}
MINIGRID = [stem for stem in PRESETS if YAML[stem].get("id", "").startswith("MiniGrid-")]
SIZED = [stem for stem in MINIGRID if stem not in FAMILIES]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("results")
    with composition.many(), composition.session():
        yield lambda *overrides: composition.compose([*overrides, f"results_dir={folder}"]).config.env


@pytest.mark.parametrize("stem", PRESETS)
def test_it_composes_builds_and_steps(stem: str, compose) -> None:
    if package := PACKAGES.get(YAML[stem].defaults[0], "nle" if stem.startswith("minihack") else None):
        pytest.importorskip(package, reason=f"needs the package {package}")
    config = compose(f"env={stem}", *([f"env.id={BY_ID[stem]}"] if stem in BY_ID else []))
    schemas.check(config, "env.")
    assert config.name == stem
    env = discovery.load("env", config.plugin).make(config, Levels(2))
    obs = env.reset([1, 2])
    action = env.spec.action
    batch = env.step(np.array([0, 1]) if action.discrete else np.zeros((2, *action.shape), np.float32))
    for shown in (obs, batch.obs, batch.next_obs):
        assert {name: (array.shape, array.dtype.name) for name, array in shown.items()} == {
            name: ((2, *spec.shape), spec.dtype) for name, spec in env.spec.obs.items()
        }
        for name, spec in env.spec.obs.items():
            assert not spec.high or shown[name].max() <= spec.high
    if stem in MINIGRID:
        assert env.spec.id == config.id and env.spec.backend == "fast"
    env.close()


@pytest.mark.parametrize("stem", SIZED)
def test_its_name_is_farama_s_in_lower_case(stem: str) -> None:
    task = YAML[stem].id.removeprefix("MiniGrid-").rpartition("-v")[0]
    assert stem.replace("_", "") == task.replace("-", "").lower()
    assert stem.count("_") >= task.count("-")


def test_every_task_of_farama_s_is_there_in_its_latest_version() -> None:
    registered = [name for name in registry.registered_ids() if name.startswith("MiniGrid-")]
    latest = {name.rpartition("-v")[0]: name for name in registered}  # sorted: -v1 after -v0
    wanted = {name for task, name in latest.items() if "WFC" not in task and "Playground" not in task}
    assert {YAML[stem].id for stem in SIZED} == wanted


def test_bare_family_names_mean_the_size_most_used(compose) -> None:
    expected = {
        "doorkey": "doorkey_8x8",
        "empty": "empty_8x8",
        "keycorridor": "keycorridor_s3r3",
        "multiroom": "multiroom_n7_s4",
    }
    assert expected.items() <= FAMILIES.items()
    for family, sized in FAMILIES.items():
        of_family, of_sized = compose(f"env={family}"), compose(f"env={sized}")
        assert (of_family.id, of_family.frames) == (of_sized.id, of_sized.frames)


@pytest.mark.parametrize("stem", PRESETS)
def test_it_says_in_one_line_what_it_is(stem: str) -> None:
    summary = discovery.header(discovery.conf_dir() / "env" / f"{stem}.yaml").summary
    assert 10 < len(summary) < 110


@pytest.mark.parametrize(
    ("size", "rooms", "room_size"), [("N7-S4", 7, 4), ("N7-S8", 7, 8), ("N10-S4", 10, 4), ("N10-S10", 10, 10)]
)
def test_the_classic_multirooms_have_exactly_their_rooms(size: str, rooms: int, room_size: int) -> None:
    world = bare(f"MiniGrid-MultiRoom-{size}-v0").unwrapped
    assert world.max_steps == 20 * rooms and (world.width, world.height) == (25, 25)
    for seed in range(3):
        world.reset(seed=seed)
        assert len(world.rooms) == rooms
        assert max(max(room.size) for room in world.rooms) <= room_size


def test_the_v1_levels_are_taken_where_v0_is_broken() -> None:
    assert YAML["multiroom_n4_s5"].id.endswith("-v1")
    for stem in ("2dlhb", "1q", "2q", "full"):
        assert YAML[f"obstructedmaze_{stem}"].id.endswith("-v1")


def test_the_facts_of_a_preset_reach_the_specification(compose) -> None:
    task = minigrid.make(compose("env=doorkey_5x5"), Levels(1)).spec.task
    assert 0 < task.random_return < 0.2
    assert 0.95 < task.optimal_return < 0.98  # about ten steps of the 250 allowed
    assert task.optimum_kind == "exact"
    assert task.success == "the episode ended with a positive reward"


def test_nothing_heavy_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys; from rewardlab.envs.grids import minigrid; from rewardlab.envs.external import gym; "
        "print([name for name in ('torch', 'gymnasium', 'minigrid', 'pygame') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
