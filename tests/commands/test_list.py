"""`rewardlab list`: within the width of a terminal, whole where it is piped."""

from collections.abc import Callable

import pytest

from rewardlab import discovery
from rewardlab.commands.list import entries, groups


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("flags", [[], ["--long"]])
def test_a_terminal_gets_lines_that_fit(rewardlab: Callable, terminal: Callable, columns: int, flags: list) -> None:
    terminal(columns)
    answer = rewardlab("list", *flags)
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= columns
    for group in groups():
        assert f"{group}=" in answer.out.splitlines()
        for entry in entries(group):
            assert any(line.startswith(f"  {entry.name}") for line in answer.out.splitlines())


def test_papers_are_for_who_asks(rewardlab: Callable, terminal: Callable) -> None:
    piped = rewardlab("list", "reward").out
    terminal(80)
    short, full = (rewardlab("list", "reward", *flags).out for flags in ([], ["--long"]))
    assert "--long" in short and "Burda et al. 2018" not in short
    for entry in entries("reward"):
        for text in filter(None, (entry.description, entry.paper, entry.assumes)):
            assert text in piped
            assert "".join(text.split()) in "".join(full.split())
        assert "".join(entry.description.split()) in "".join(short.split())
    assert len(short.splitlines()) < len(full.splitlines()) < 5 * len(discovery.choices("reward"))


def test_a_preset_names_the_paper_of_its_own_method() -> None:
    papers = {entry.name: entry.paper for entry in entries("reward")}
    wanted = {"rudder": "Arjona-Medina", "ircr": "Gangwani", "rrd": "Ren", "heron": "Bukharin", "product": "Jaeger"}
    assert {name: papers[name].split(" et al.")[0] for name in wanted} == wanted
    assert papers["exprd"].startswith("Devidze et al. 2021")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_scale_of_environments_fits(rewardlab: Callable, terminal: Callable, columns: int) -> None:
    terminal(columns)
    told = rewardlab("list", "env", "--optimal").out.splitlines()
    assert max(map(len, told)) <= columns
    for name in discovery.choices("env"):
        assert any(line.split()[:1] == [name] for line in told)
    (row,) = [line.split() for line in told if line.split()[:1] == ["doorkey_5x5"]]
    assert row[1] == "exact" and len(row) >= 4


def test_a_pipe_is_never_cut(rewardlab: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert "Burda et al. 2018, Exploration by random network distillation" in rewardlab("list", "reward").out
