"""Names say what differs, colours show it, and budgets are no part of either."""

import csv
import json

import pytest
from run_folders import make, write_run

from rewardlab.report.pages.charts import wrapped

ID = "abcdef0123456789" * 4


def rows(folder, name="sample_efficiency"):
    with (folder / f"report/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def schemes(folder):
    page = (folder / "report/report.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    return {each["name"]: (each["color"], each["dash"]) for each in data["schemes"]}


def agent(folder, label, reward="none", name="ppo", seeds=2, **options):
    """Runs of one agent with some options, as a real manifest has them."""
    config = {"reward.name": reward, "agent.name": name} | {f"agent.{key}": value for key, value in options.items()}
    for seed in range(seeds):
        write_run(folder, reward=reward, agent=label, seed=seed, config=config)


@pytest.mark.usefixtures("without_figures")
class TestNames:
    def test_what_all_have_is_left_out_and_defaults_are_told(self, tmp_path):
        agent(tmp_path, "ppo", lr=3e-4, coef=0.0, gamma=0.99)
        agent(tmp_path, "ppo-lr=0.001", lr=1e-3, coef=0.0, gamma=0.99)
        agent(tmp_path, "ppo-lr=1e-05-coef=0.01", lr=1e-5, coef=0.01, gamma=0.99)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"lr=0.0003, coef=0.0", "lr=0.001, coef=0.0", "lr=1e-05, coef=0.01"}
        assert "all with reward none" in (tmp_path / "report/report.html").read_text()
        assert {row["agent"] for row in rows(tmp_path)} == {"ppo", "ppo-lr=0.001", "ppo-lr=1e-05-coef=0.01"}

    def test_labels_that_were_cut_are_told_apart_by_their_options(self, tmp_path):
        long = "ppo-" + "x" * 67
        agent(tmp_path, f"{long}-11111111", lr=1e-3, gamma=0.9)
        agent(tmp_path, f"{long}-22222222", lr=1e-3, gamma=0.99)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"gamma=0.9", "gamma=0.99"}

    def test_agents_of_two_kinds_keep_theirs(self, tmp_path):
        agent(tmp_path, "ppo", lr=1e-3)
        agent(tmp_path, "ppo-lr=0.01", lr=1e-2)
        agent(tmp_path, "dqn-double=true", name="dqn", double=True)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"ppo lr=0.001", "ppo lr=0.01", "dqn-double=true"}

    def test_options_that_all_share_are_told_once(self, tmp_path):
        """Where they are the default of some, too; an option of one value that some do not have stays."""
        agent(tmp_path, "ga-hidden=10-sigma=0.3-init=normal", name="ga", hidden=10, sigma=0.3, init="normal", size=8)
        agent(tmp_path, "ns-hidden=10-sigma=0.3-last=5", name="ns", hidden=10, sigma=0.3, init="normal", last=5)
        agent(tmp_path, "es-hidden=10-sigma=0.2", name="es", hidden=10, sigma=0.2, init="normal", size=8)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"ga-sigma=0.3", "ns-sigma=0.3-last=5", "es-sigma=0.2"}
        page = (tmp_path / "report/report.html").read_text()
        assert "all with reward none · all with agent.hidden=10, agent.init=normal ·" in page

    def test_an_option_that_alone_tells_labels_apart_stays(self, tmp_path):
        """Labels that were written by other defaults: what their configs share is what tells them apart."""
        agent(tmp_path, "ppo-lr=0.1", lr=0.1)
        agent(tmp_path, "ppo", lr=0.1)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"ppo-lr=0.1", "ppo"}

    def test_without_configs_labels_are_names(self, tmp_path):
        for label in ("ppo-lr=1", "ppo-lr=2"):
            write_run(tmp_path, reward="none", agent=label)
        make(tmp_path)
        assert set(schemes(tmp_path)) == {"ppo-lr=1", "ppo-lr=2"}

    def test_an_agent_can_be_the_baseline(self, tmp_path):
        agent(tmp_path, "ppo", lr=1e-3)
        agent(tmp_path, "ppo-lr=0.01", lr=1e-2)
        make(tmp_path, baseline="ppo")
        assert [row["agent"] for row in rows(tmp_path, "differences")] == ["ppo-lr=0.01"]


@pytest.mark.usefixtures("without_figures")
class TestColours:
    def test_agents_under_one_reward_have_colours(self, tmp_path):
        for place in range(7):
            write_run(tmp_path, reward="none", agent=f"ppo-lr={place}")
        make(tmp_path)
        found = [colour for colour, _ in schemes(tmp_path).values()]
        assert len(set(found)) == 7
        assert not any(_grey(colour) for colour in found)

    def test_of_rewards_and_agents_colour_is_the_reward_and_dash_the_agent(self, tmp_path):
        for reward in ("none", "rnd", "count"):
            for learner in ("ppo", "dqn"):
                write_run(tmp_path, reward=reward, agent=learner)
        make(tmp_path)
        found = schemes(tmp_path)
        assert len(set(found.values())) == 6
        for reward in ("none", "rnd", "count"):
            (one, first), (other, second) = (found[f"{reward} · {learner}"] for learner in ("ppo", "dqn"))
            assert one == other and first != second
        assert _grey(found["none · ppo"][0])

    def test_no_two_of_many_look_alike(self, tmp_path):
        for reward in ("none", "rnd"):
            for place in range(10):
                write_run(tmp_path, reward=reward, agent=f"ppo-lr={place}")
        make(tmp_path)
        assert len(set(schemes(tmp_path).values())) == 20


def test_long_names_are_wrapped_in_figures(tmp_path):
    for value in (1, 2):
        options = {f"a_rather_long_option_{letter}": value for letter in "abc"}
        agent(tmp_path, f"ppo-{value}", **options)
    make(tmp_path)
    drawn = (tmp_path / "report/figures/learning_curves_doorkey_5x5.svg").read_text()
    for value in (1, 2):
        for letter in "abc":
            assert f"a_rather_long_option_{letter}={value}" in drawn


def test_lines_end_at_blanks_commas_and_options():
    text = "ga-population=200-episodes=1-validation=0-e-5=x, sigma=0.3,hidden=10"
    assert wrapped(text, 30, 9).split("\n") == [
        "ga-population=200-episodes=1", "-validation=0-e-5=x,", "sigma=0.3,hidden=10"
    ]  # fmt: skip
    assert wrapped("x" * 50, 30) == "x" * 30 + "\n" + "x" * 20  # nowhere else


@pytest.mark.usefixtures("without_figures")
class TestBudgets:
    def test_they_do_not_split_a_scheme_over_environments(self, tmp_path):
        write_run(tmp_path, env="a", budget=30_000, config={"eval.every": 600, "env.frames": 1})
        write_run(tmp_path, env="b", budget=60_000, config={"eval.every": 1200, "env.frames": 2})
        assert "Only rnd was run" in make(tmp_path).text
        assert set(schemes(tmp_path)) == {"rnd"}

    def test_in_one_environment_they_are_rows_of_their_own_and_never_pooled(self, tmp_path):
        for seed in range(2):
            write_run(tmp_path, seed=seed, budget=60_000, setting_id=ID, config={"eval.every": 1200})
        for seed in range(5):
            where = f"short{seed}"
            write_run(tmp_path, seed=seed, returns=[0, 0.1, 0.2, 0.3], config={"eval.every": 600}, folder=where)
            write_run(tmp_path, seed=seed, reward="none")
        result = make(tmp_path)
        own = {row["budget"]: row for row in rows(tmp_path) if row["reward"] == "rnd"}
        assert {budget: row["n_seeds"] for budget, row in own.items()} == {"60000": "2", "30000": "5"}
        assert set(schemes(tmp_path)) == {"none", "rnd"}
        assert "rnd (frames=30000)" in result.text
        assert "eval.every" not in result.text
        (told,) = [line for line in result.warnings if "several budgets" in line]
        assert "frames=60000: 2 seeds" in told or "report.html" in told
        page = (tmp_path / "report/report.html").read_text()
        assert "used: frames=30000" in page  # the one with most seeds
        (difference,) = rows(tmp_path, "differences")
        assert difference["n_seeds"] == "5"
        (scheme,) = [row for row in rows(tmp_path, "aggregate") if row["reward"] == "rnd"]
        assert scheme["n_runs"] == "5"
        assert float(scheme["iqm"]) == pytest.approx(0.3)
        data = json.loads(page.split('id="data">')[1].split("</script>")[0])
        dashes = {c["name"]: c.get("dash") for c in data["envs"][0]["curves"] if c["name"].startswith("rnd")}
        assert len(set(dashes.values())) == 2

        with (tmp_path / "report/runs.csv").open(newline="") as file:
            methods = {(row["budget"], row["method"]) for row in csv.DictReader(file) if row["reward"] == "rnd"}
        assert methods == {("30000", "rnd"), ("60000", "rnd (frames=60000)")}  # what a groupby pools

    def test_the_budget_that_most_schemes_have_is_compared(self, tmp_path):
        for seed in range(3):
            write_run(tmp_path, seed=seed, budget=60_000, setting_id=ID)
        write_run(tmp_path, budget=30_000, folder="short")
        write_run(tmp_path, reward="none", budget=30_000)
        make(tmp_path)
        (difference,) = rows(tmp_path, "differences")
        assert difference["n_seeds"] == "1"
        assert "used: frames=30000" in (tmp_path / "report/report.html").read_text()

    def test_a_cadence_alone_is_told(self, tmp_path):
        write_run(tmp_path, setting_id=ID, config={"eval.every": 500}, folder="often")
        write_run(tmp_path, config={"eval.every": 1000})
        text = make(tmp_path).text
        assert "rnd (eval.every=500)" in text
        assert "rnd (eval.every=1000)" in text


def _grey(colour):
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return max(parts) - min(parts) < 30
