"""Atari: beside ale-py's own vector environment, frame by frame; what is random, what can be put back, what is told."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="needs the extra atari")
from ale_py.vector_env import AtariVectorEnv

from rewardlab import load, schemas
from rewardlab.commands.play import drawn_env
from rewardlab.config.composition import compose
from rewardlab.envs.external import atari, atari_games
from rewardlab.envs.external.atari_games import MEMORIES, games, published_scores
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import GAME_LEVEL, ITEMS, LIVES, PICTURE, RAM, ROOM, ROOMS, SITUATION, SPOT
from rewardlab.parts.archives.place_store import PlaceStore
from rewardlab.run import run


def make(game: str, num_envs: int = 1, facts: tuple[str, ...] = (), lists=None, **options) -> atari.Atari:
    config = atari.Config(id=game, **options)
    schemas.check(config, "env.")
    return atari.make(config, Levels(num_envs, lists=lists), facts)


def ales(game: str, **options):
    """ale-py's own, with the settings of ours that are not named."""
    named = {"max_num_frames_per_episode": 18_000, "full_action_space": True, "num_threads": 1, **options}
    return AtariVectorEnv(games()[game], 1, noop_max=0, use_fire_reset=False, reward_clipping=False, **named)


def ales_draws(seed: int) -> np.random.Generator:
    """The uniform numbers by which ALE lets actions stick: those of C++'s mt19937."""
    words = np.random.MT19937()
    words._legacy_seeding(seed)
    return np.random.Generator(words)


@pytest.mark.parametrize("game", ["MontezumaRevenge", "Breakout", "PrivateEye"])
@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_pictures_points_and_ends_are_ales(game: str, sticky: float) -> None:
    env, twin = make(game, sticky=sticky), ales(game, repeat_action_probability=sticky)
    for seed in (3, 4):
        shown, _ = twin.reset(seed=np.array([seed]))
        obs = env.reset([0])["image"]
        env.streams = [ales_draws(seed)]
        assert np.array_equal(obs[0], shown[0][-1][..., None].repeat(4, axis=-1)), (
            "where ale-py shows 0 there is none yet"
        )
        for t, action in enumerate(np.random.default_rng(seed).integers(18, size=250)):
            shown, points, terminated, truncated, _ = twin.step(np.array([action]))
            batch = env.step(np.array([action]))
            assert batch.task_reward[0] == points[0]
            assert (batch.terminated[0], batch.truncated[0]) == (terminated[0], truncated[0])
            if terminated[0]:
                break  # theirs shows the last step's picture, or half of it, where the game ends within a step
            assert np.array_equal(batch.next_obs["image"][0, ..., -1], shown[0][-1])
            if t >= 3:
                assert np.array_equal(batch.next_obs["image"][0], np.moveaxis(shown[0], 0, -1))
        assert game != "Breakout" or terminated[0]


def test_a_life_may_end_an_episode_and_never_the_game() -> None:
    options = {"sticky": 0.0, "actions": "minimal"}
    env, whole = (make("Breakout", facts=(LIVES,), life_loss=ends, **options) for ends in ("ends", "none"))
    twin = ales("Breakout", life_loss_info=True, full_action_space=False)
    twin.reset(seed=np.array([0]))
    env.reset([0])
    whole.reset([0])
    lost = 0
    for action in np.random.default_rng(1).integers(4, size=600):
        _, points, terminated, _, infos = twin.step(np.array([action]))
        batch, other = env.step(np.array([action])), whole.step(np.array([action]))
        assert (batch.terminated[0], batch.task_reward[0]) == (terminated[0], points[0])
        assert other.terminated[0] == (terminated[0] and infos["lives"][0] == 0)
        if terminated[0] and not other.terminated[0]:
            lost += 1
            assert batch.obs is batch.next_obs and batch.privileged[LIVES][0] == infos["lives"][0]
        if other.terminated[0]:
            break
    assert lost == 4
    assert env._config.as_reported() == whole._config, "evaluations play whole games"


def test_time_runs_out_and_that_is_no_end_of_the_game() -> None:
    env = make("MontezumaRevenge", 2, max_frames=42, frame_skip=4)
    assert env.spec.max_steps == 10
    env.reset([1, 2])
    told = [env.step(np.array([0, 0])) for _ in range(21)]
    assert [batch.truncated.tolist() for batch in told] == [[t % 10 == 9] * 2 for t in range(21)]
    assert not any(batch.terminated.any() for batch in told)
    assert (told[9].obs["image"][0] != told[9].next_obs["image"][0]).any()


def test_a_level_is_what_sticks_and_how_long_nothing_is_done() -> None:
    actions = np.random.default_rng(0).integers(18, size=60)

    def pictures(level: int, **options) -> list[np.ndarray]:
        env = make("MontezumaRevenge", lists=[[level]], **options)
        return [env.reset([9])["image"], *(env.step(np.array([action])).obs["image"] for action in actions)]

    for options in ({}, {"sticky": 0.0, "noops": 30}):
        one, again, other = pictures(1, **options), pictures(1, **options), pictures(5, **options)
        assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(pictures(1, sticky=0.0), pictures(5, sticky=0.0))
    assert make("Pitfall", sticky=0.0).spec.task.distinct_levels == 1
    assert make("Pitfall").spec.task.distinct_levels is None


def test_a_place_is_gone_on_from_exactly_also_after_it_was_packed() -> None:
    facts = (RAM, LIVES, ROOMS, PICTURE)
    env, other = make("MontezumaRevenge", 2, facts), make("MontezumaRevenge", 3, facts)
    env.reset([1, 2])
    other.reset([3, 4, 5])
    actions = np.random.default_rng(0).integers(18, size=(150, 2))
    for action in actions[:100]:
        env.step(action)
    store, kept = PlaceStore(), PlaceStore()
    rows = store.add(env.take_places(np.array([1])))
    kept.load_state_dict(store.state_dict())
    obs = other.put_places(np.array([2]), kept.get(rows))["image"][2]
    newest = env._stack[1, ..., -1]
    assert np.array_equal(obs, newest[..., None].repeat(4, axis=-1)), "the newest picture stands for all"
    assert other.privileged()[PICTURE][2].shape == (210, 160, 3)
    for t, action in enumerate(actions[100:]):
        ours, theirs = env.step(action), other.step(np.array([0, 0, action[1]]))
        assert ours.task_reward[1] == theirs.task_reward[2]
        for name in facts:
            assert np.array_equal(ours.privileged[name][1], theirs.privileged[name][2])
        if t >= 3:
            assert np.array_equal(ours.next_obs["image"][1], theirs.next_obs["image"][2])


def test_what_is_known_of_memory_is_told_and_rooms_are_counted() -> None:
    env = make("MontezumaRevenge", facts=(ROOM, SPOT, GAME_LEVEL, ITEMS, ROOMS, LIVES, SITUATION, RAM))
    env.reset([0])
    told = {name: entry[0].tolist() for name, entry in env.privileged().items() if name not in (RAM, SITUATION)}
    assert told == {ROOM: 1, SPOT: [77, 235], GAME_LEVEL: 0, ITEMS: 0, ROOMS: 1, LIVES: 6}
    for room in (7, 7, 2):  # as if it had got there
        env._emulators._each[0].setRAM(3, room)
        env.step(np.array([0]))
    assert env.privileged()[ROOMS][0] == 3
    ram = np.zeros((4, 128), dtype=np.uint8)
    ram[1, 42], ram[2, 42], ram[3, 65] = 7, 8, 1
    cells = MEMORIES["montezuma_revenge"].facts()[SITUATION](ram)
    assert cells[0] == cells[1] and len(set(cells.tolist())) == 3
    assert make("Pitfall").spec.tells == (ROOMS,) and ROOM not in make("Venture").spec.privileged
    assert "privileged" not in env.spec.obs and set(env.spec.obs) == {"image"}


def test_published_scores_are_of_games_that_there_are() -> None:
    assert published_scores("montezuma_revenge") == (0.0, 4753.3)
    assert published_scores("pooyan") == (None, None)
    with (Path(atari_games.__file__).with_name("atari_scores.csv")).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 57 and {row["game"] for row in rows} <= set(games().values())


def test_a_run_tells_rooms_and_shares_of_a_human_and_clips_for_the_learner_alone(tmp_path: Path) -> None:
    small = ["num_envs=2", "frames=32", "agent.rollout_steps=8", "eval.episodes=2", "eval.every=32", "agent.hidden=[8]"]
    options = ["env.max_frames=80", "env.clip_reward=true", "env.life_loss=ends"]
    prepared = compose(["env=montezuma", "reward=none", *options, *small, f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    task = json.loads((prepared.folder / "manifest.json").read_text())["task"]
    assert (task["human_random"], task["human_return"], task["success"]) == (0.0, 4753.3, None)
    results = load(tmp_path)
    assert results.evaluations["rooms_visited_mean"].tolist() == [1.0, 1.0]
    assert results.evaluations["human_normalised_return"].tolist() == [0.0, 0.0]
    row = results.tables["sample_efficiency"].iloc[0]
    assert (row["late_human_iqm"], row["rooms_visited_iqm"]) == (0.0, 1.0)
    film = drawn_env(replace(prepared.config, env=prepared.config.env))
    film.reset([0])
    assert film.privileged()[PICTURE].shape == (1, 210, 160, 3) and film.privileged()[PICTURE].any()
    assert film.spec.max_steps == 20 and film._config.life_loss == "none"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": ""}, "env.id is missing"),
        ({"id": "ALE/MontezumaRevnge-v5"}, "did you mean MontezumaRevenge?"),
        ({"id": "montezuma_revenge"}, "did you mean MontezumaRevenge?"),
        ({"sticky": 1.0}, "env.sticky=1: must be less than 1"),
        ({"max_frames": 3}, "env.max_frames=3: must be at least frame_skip=4"),
        ({"backend": "reference"}, "leave it out"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict, said: str) -> None:
    with pytest.raises(UserError) as refusal:
        make(
            **{"game": "MontezumaRevenge"}
            | {("game" if name == "id" else name): value for name, value in options.items()}
        )
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


def test_without_the_package_one_line_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(atari_games.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as refusal:
        compose(["env=montezuma"])
    assert str(refusal.value) == "env.id=MontezumaRevenge: needs ale-py; pip install 'rewardlab[atari]'"


def test_unknown_facts_are_refused() -> None:
    with pytest.raises(UserError, match="cannot give room"):
        make("Venture", facts=(ROOM,))
