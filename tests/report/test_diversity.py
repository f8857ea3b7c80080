"""What a report shows of populations: a table, curves against individuals, maps of places."""

import json
import re

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab import load
from rewardlab.cli import main
from rewardlab.records.archive import ARCHIVE, save
from rewardlab.report.pages.charts import MapChart
from rewardlab.report.pages.figures import _map_chart, draw
from rewardlab.report.reading.archive_map import read_map
from rewardlab.report.reading.plain import Unreadable

ROWS = 250  # more than the report keeps


def population(folder, agent, seed, reached, paid=None, env="plane", lives=1000):
    """A run whose coverage grows to `reached`, first paid at an individual, with a map."""
    share = np.arange(1, ROWS + 1) / ROWS
    numbers = np.round(lives * share)
    first = np.where(numbers >= paid, paid, np.nan) if paid else np.full(ROWS, np.nan)
    training = {
        "frames": (50 * numbers).astype(int).tolist(), "explore/evaluations": numbers.tolist(),
        "explore/coverage": (reached * share**0.5).tolist(), "explore/qd_score": (100 * reached * share).tolist(),
        "explore/evaluations_to_reward": first.tolist(), "explore/frames_to_reward": (50 * first).tolist(),
    }  # fmt: skip
    where = write_run(folder, env=env, reward="none", agent=agent, seed=seed, frames=[0, 50 * lives], returns=[0, 1],
                      training=training)  # fmt: skip
    best = np.full((50, 50), np.nan)
    best[10, 40], best[11, 2] = 3.0, seed
    save(where / ARCHIVE, {
        "map": best, "bounds": np.array([[-1.0, 0.0], [1.0, 5.0]]), "downwards": np.array(False),
        "champion": np.zeros(7, np.float32), "champion_return": np.array(3.0), "champion_born": np.array(321),
        "genomes": np.zeros((1, 7), np.float32), "returns": np.array([3.0]),
    })  # fmt: skip
    return where


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("populations") / "results"
    for seed, (reached, paid) in enumerate([(0.5, 100), (0.7, 300), (0.8, None)]):
        population(folder, "ns", seed, reached, paid)
        population(folder, "random_search", seed, reached / 2, lives=400 + 200 * seed)
    write_run(folder, env="plane", reward="rnd", agent="ppo", frames=[0, 50_000], returns=[0, 1])
    return folder


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    make(study, out=out)
    return out


def test_medians_over_seeds_of_the_last_rows(study):
    table = load(study).tables["diversity"].set_index("agent")
    assert list(table.index) == ["ns", "random_search"]  # not of ppo; the larger coverage first
    ns, random = table.loc["ns"], table.loc["random_search"]
    assert (ns["coverage"], ns["coverage_low"], ns["coverage_high"]) == pytest.approx((0.7, 0.5, 0.8))
    assert (ns["qd_score"], random["qd_score"], random["evaluations"]) == pytest.approx((70, 35, 600))
    assert (ns["evaluations_to_reward"], ns["frames_to_reward"], ns["n_rewarded"]) == (300, 15_000, 2)
    assert random["evaluations_to_reward_censored"] and np.isnan(random["frames_to_reward"])


def test_curves_are_over_individuals_and_stand_where_a_seed_ended(report):
    page = json.loads(re.search(r'id="data">(.*?)</script>', (report / "report.html").read_text()).group(1))
    (curves,) = page["diversity"]
    grid = curves["grids"][0]
    found = {(curve["name"], curve["metric"]): curve["y"] for curve in curves["curves"]}
    assert grid[0] == 2 and grid[-1] == 1000 and len(found) == 4
    middle = len(grid) // 2
    expected = np.mean([reached * np.sqrt(grid[middle] / 1000) for reached in (0.5, 0.7, 0.8)])
    (novel,) = (y for (name, key), y in found.items() if "ns" in name and key == "coverage")
    assert novel[middle] == pytest.approx(expected, rel=2e-3)
    (random,) = (y for (name, key), y in found.items() if "random" in name and key == "qd_score")
    last = max(place for place, value in enumerate(random) if value is not None)
    assert grid[last] <= 800 < grid[last + 1]  # where the longest of its seeds ended
    assert random[last] == pytest.approx(100 * np.mean([0.25, 0.35, 0.4 * grid[last] / 800]), rel=2e-3)
    (seen,) = (each for each in page["maps"] if "ns" in each["name"])
    assert seen["z"][40][10] == 3 and seen["z"][2][11] == 0
    assert sum(value is not None for row in seen["z"] for value in row) == 2
    assert (seen["x"], seen["y"]) == ([-1, 1], [0, 5])


def test_it_writes_tables_figures_and_a_section(report):
    names = {path.relative_to(report).as_posix() for path in report.rglob("*.*")}
    forms = {f"figures/{stem}_plane.{form}" for stem in ("diversity", "archive") for form in ("png", "svg", "pdf")}
    assert forms | {f"diversity.{form}" for form in ("csv", "md", "tex")} <= names
    assert not any("coverage_plane" in name for name in names)
    assert '<section id="diversity">' in (report / "report.html").read_text()
    assert "not reached (0/3)" in (report / "diversity.md").read_text()


def test_without_populations_there_is_nothing_of_it(result):
    page = (result.out / "report.html").read_text()
    assert "Diversity" not in page and '"maps"' not in page
    assert not list(result.out.glob("**/diversity*")) and not list(result.out.glob("**/archive_*"))


def test_whole_places_have_a_cell_each_and_grids_are_seen_from_above(tmp_path):
    best = np.full((50, 50), np.nan)
    best[12, 37] = 0.7  # x = 1, y = 3 of 5 x 5
    save(tmp_path / ARCHIVE, {
        "map": best, "bounds": np.array([[0.0, 0.0], [4.0, 4.0]]), "downwards": np.array(True),
        "whole": np.array([5, 5]),
    })  # fmt: skip
    seen = read_map(tmp_path, tmp_path)
    assert seen.best.shape == (5, 5) and np.argwhere(np.isfinite(seen.best)).tolist() == [[1, 3]]
    assert (seen.low.tolist(), seen.high.tolist(), seen.downwards) == ([-0.5, -0.5], [4.5, 4.5], True)
    chart = MapChart("archive_x", "x", "best return", (("a", seen),))
    axes = _map_chart(chart).axes[0]
    (image,) = axes.images
    assert np.argwhere(~np.ma.getmaskarray(np.ma.masked_invalid(image.get_array()))).tolist() == [[3, 1]]
    assert axes.get_ylim() == (4.5, -0.5) and image.get_extent() == [-0.5, 4.5, -0.5, 4.5]
    assert [name for name, _ in draw(chart)] == ["archive_x.png", "archive_x.svg", "archive_x.pdf"]
    assert draw(chart) == draw(chart)


@pytest.mark.parametrize("what", ["text", "huge", "nothing", "bounds", "flat"])
def test_archives_of_others_are_no_danger(tmp_path, what):
    save(tmp_path / ARCHIVE, {
        "map": np.zeros((200, 200) if what == "huge" else 50 if what == "flat" else (50, 50)),
        "bounds": np.array([[0.0, 0.0], [np.nan if what == "bounds" else 1.0, 1.0]]),
    })  # fmt: skip
    if what == "text":
        (tmp_path / ARCHIVE).write_text("PK")
    if what == "nothing":
        (tmp_path / ARCHIVE).unlink()
    if what == "flat":  # places of one dimension have no map
        assert read_map(tmp_path, tmp_path) is None
        return
    with pytest.raises(Unreadable, match="archive"):
        read_map(tmp_path, tmp_path)


def test_show_names_the_champion(study, capsys):
    run = study / "runs/plane/none/ns"
    for folder in sorted(run.iterdir())[::2]:
        assert main(["show", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "population 1,000 individuals lived, coverage 50.0%, QD score 50\n" in text
    assert "1st reward after 5,000 frames, by individual 100\n" in text and "1st reward none yet\n" in text
    assert "champion   return 3.00, individual 321, 7 numbers\n" in text
    assert f"archive    {sorted(run.iterdir())[0] / ARCHIVE}\n" in text
