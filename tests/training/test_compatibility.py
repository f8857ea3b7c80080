"""Own plug-ins that lack what they must have: one line that says so, from `run` and from `check`."""

import pytest

from rewardlab.cli import main

YAML = "# Of the user's own\ndefaults: [{name}_schema, _self_]\n"
AGENT = """
from dataclasses import dataclass
from rewardlab.agents import random
from rewardlab.agents.base import BaseAgent

@dataclass
class Config(random.Config): ...

class Agent({base}):
    {body}
    def __init__(self, config, context, streams): ...
"""
SCHEME = """
from dataclasses import dataclass
from rewardlab.schemas import RewardConfig

@dataclass
class Config(RewardConfig): ...

class Scheme:
    def __init__(self, config, context): ...
"""
ALONE = AGENT.format(base="object", body="")
BROKEN = "class Config: ...\n\nraise RuntimeError('boom')\n"
LISTED = "(allowed: exploring, offline, on_policy, population, replay)"


def agent(body: str) -> str:
    return AGENT.format(base="BaseAgent", body=body)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes a plug-in of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path / "mine"))

    def write(folder: str, name: str, code: str) -> None:
        (tmp_path / "mine" / folder).mkdir(parents=True)
        (tmp_path / "mine" / folder / f"{name}.py").write_text(f'"""Of the user\'s own."""\n{code}')
        (tmp_path / "mine" / folder / f"{name}.yaml").write_text(YAML.format(name=name))

    return write


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("alone", ALONE, "must extend BaseAgent"),
        ("misspelt", agent("learns_from = 'on_polcy'"), "on_polcy: no such way of learning; did you mean on_policy?"),
        ("helper", agent("learns_from = 'base'"), "learns_from=base: no such way of learning"),
        ("dotted", agent("learns_from = 'on.policy'"), "on.policy: no such way of learning; did you mean on_policy?"),
        ("unsaid", agent("..."), f"learns_from=: no such way of learning {LISTED}"),
    ],
)
def test_an_agent_says_how_it_learns(command, name, code, message, own, capsys) -> None:
    name = f"{name}_{command}"  # modules of one name are loaded once
    own("agents", name, code)
    assert main([command, f"agent={name}", *(["frames=100"] if command == "run" else [])]) == 2
    found = capsys.readouterr().err
    assert found.startswith(f"agent={name}: ") and message in found and found.count("\n") == 1


def test_an_agent_has_what_its_way_of_learning_calls(own, capsys) -> None:
    own("agents", "half", agent("learns_from = 'on_policy'"))
    assert main(["run", "agent=half", "frames=100"]) == 2
    assert (
        "needs act, rollout_steps, assess, value, update, and it has no act, rollout_steps" in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_scheme_extends_ours(command, own, capsys) -> None:
    own("rewards", f"bare_{command}", SCHEME)
    assert main([command, f"reward=bare_{command}", *(["frames=100"] if command == "run" else [])]) == 2
    assert "must extend BaseScheme" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("other_alone", ALONE), ("other_broken", BROKEN)])
def test_a_faulty_agent_that_is_not_chosen_hinders_no_refusal(name, code, own, capsys) -> None:
    own("agents", name, code)
    assert main(["run", "env=bitflip", "reward=her", "agent=ppo", "frames=100"]) == 2
    assert "use agent=dqn or agent=sac" in capsys.readouterr().err
