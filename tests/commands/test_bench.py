"""`rewardlab bench` prints ratios of what was asked for."""

import re

import pytest

from rewardlab.cli import main

TINY = ["env=empty_5x5", "num_envs=4", "agent.rollout_steps=8", "--rounds", "1"]


def test_it_times_both_backends_and_the_schemes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "reward=count,rnd", *TINY]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^  fast +[\d,]+ steps/s   \d+\.\d\d x reference", text, re.M)
    assert re.search(r"^  none +[\d,]+ frames/s$", text, re.M)
    for name in ("count", "rnd"):
        assert re.search(rf"^  {name} +[\d,]+ frames/s   \d+\.\d\d x none", text, re.M)
    assert "icm" not in text


def test_of_all_schemes_those_that_fit_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "reward=all", *TINY]) == 0
    text = capsys.readouterr().out
    assert len(re.findall(r"frames/s   \d+\.\d\d x none", text)) >= 20
    left_out = re.findall(r"^left out: (\w+): \w", text, re.M)
    fit_not = [
        "airl",
        "exprd",
        "gail",
        "goal_embedding",
        "her",
        "heron",
        "ircr",
        "otr",
        "partial_credit",
        "perceptual_steps",
        "polar",
        "sqil",
        "teacher",
        "vpl",
    ]
    assert left_out == fit_not
    assert main(["bench", "reward=her", *TINY]) == 2


def test_without_a_fast_backend_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "reward=none", "env=gym", "env.id=CartPole-v1", *TINY[1:]]) == 0
    text = capsys.readouterr().out
    assert "fast" not in text
    assert re.search(r"^  reference +[\d,]+ steps/s$", text, re.M)


def test_of_populations_it_says_what_they_play(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["agent.population=2", "agent.episodes=1", "agent.hidden=[2]", "--rounds", "1"]
    assert main(["bench", "reward=none", "env=pointplane", "agent=random_search", *tiny]) == 0
    text = capsys.readouterr().out
    assert "training with agent=random_search, whole lives on 1 level each, evaluation left out" in text
    assert "environments" not in text


@pytest.mark.parametrize("arguments", [["reward=rdn"], ["--rounds", "0"], ["nonsense=1"]])
def test_bad_input_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
