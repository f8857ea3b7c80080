"""`rewardlab list env --optimal`: what is known of every task, from the kept table."""

import subprocess
import sys

from rewardlab import discovery
from rewardlab.gridworld.task_facts import task_facts


def cells(out: str, name: str) -> list[str]:
    """The first columns of a line: those without spaces."""
    return next(line.split() for line in out.splitlines() if line.split()[:1] == [name])


def test_every_preset_has_its_line(rewardlab) -> None:
    answer = rewardlab("list", "env", "--optimal")
    assert answer.code == 0
    for name in discovery.choices("env"):
        assert cells(answer.out, name)
    titles = answer.out.splitlines()[1]
    for title in (
        "optimum",
        "optimal steps",
        "optimal return",
        "random return",
        "random success",
        "levels",
        "trained on",
        "description",
    ):
        assert title in titles


def test_the_numbers_are_those_of_the_table(rewardlab) -> None:
    out = rewardlab("list", "env", "--optimal").out
    facts = task_facts("MiniGrid-DoorKey-8x8-v0")
    expected = [f"{facts.optimal_steps:.1f}", f"{facts.optimal_return:.3f}", f"{facts.random_return:.4f}"]
    for name in ("doorkey", "doorkey_8x8"):  # a family's name stands for one of its sizes
        assert cells(out, name)[1:6] == ["exact", *expected, f"{facts.random_success:.2%}"]
    assert cells(out, "doorkey_5x5")[6:8] == ["48", "100%"] and cells(out, "doorkey")[6] == "82%"
    assert cells(out, "dynamic_obstacles_5x5")[1] == "unavailable"
    assert cells(out, "memory_s11")[1] == "bound"
    assert cells(out, "gym")[1] == "any"  # nothing is known of it, its description follows


def test_only_environments_have_an_optimum(rewardlab) -> None:
    for group in ([], ["reward"]):
        answer = rewardlab("list", *group, "--optimal")
        assert (answer.code, answer.out) == (2, "")
        assert "rewardlab list env --optimal" in answer.err and answer.err.count("\n") == 1


def test_nothing_slow_is_imported() -> None:
    code = (
        "import sys; from rewardlab.cli import main; main(['list', 'env', '--optimal']); "
        "print([name for name in ('torch', 'numba', 'gymnasium', 'minigrid', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
