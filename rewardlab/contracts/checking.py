"""Runs the laws of a group on one choice: in every made-up world that it fits, or on the environment that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rewardlab import discovery
from rewardlab.contracts import (
    agent_laws,
    conditioner_laws,
    curriculum_laws,
    designer_laws,
    env_laws,
    privilege_laws,
    replay_laws,
    reward_laws,
)
from rewardlab.contracts.agent_laws import STREAMS, AgentCase
from rewardlab.contracts.conditioner_laws import ConditionerCase
from rewardlab.contracts.curriculum_laws import CurriculumCase
from rewardlab.contracts.designer_laws import DesignerCase
from rewardlab.contracts.env_laws import EnvCase
from rewardlab.contracts.privilege_laws import PrivilegeCase
from rewardlab.contracts.result import GROUPS, Broken, LawResult
from rewardlab.contracts.reward_case import RewardCase
from rewardlab.contracts.ways import way
from rewardlab.contracts.worlds import BUDGETS, SHOPS, worlds
from rewardlab.errors import UserError
from rewardlab.facts import POSITION, SIGHT
from rewardlab.schemas import NO_CURRICULUM
from rewardlab.training.compatibility import check_agent_class, check_scheme_class
from rewardlab.types import EnvSpec

_CLASSES = {"reward": "Scheme", "agent": "Agent", "curriculum": "Conditioner"}


def check_choice(group: str, name: str, config: Any) -> list[LawResult]:
    """See `rewardlab.contracts.check`."""
    if group not in GROUPS:
        raise UserError(f"check {group}={name}: only {', '.join(GROUPS)} have laws")
    if group == "curriculum" and (config.plugin or name) == NO_CURRICULUM:
        raise UserError(f"check {group}={name}: it does nothing, so there is nothing to check")
    module = discovery.load(group, config.plugin or name)
    if group == "env":
        return check_env(module.make, config)
    if group == "curriculum" and hasattr(module, "Curriculum"):
        case = CurriculumCase(module.Curriculum, config)
        found = [_try(law, {"of a real task": case}) for law in curriculum_laws.LAWS]
        goals = hasattr(module, "Conditioner")  # it sets goals, too
        return found + (check_class(group, name, module.Conditioner, config) if goals else [])
    if group == "curriculum" and hasattr(module, "Privileges"):
        return [_try(law, {"of a real task": PrivilegeCase(module.Privileges, config)}) for law in privilege_laws.LAWS]
    if group == "curriculum" and hasattr(module, "Designer"):
        return [_try(law, {"of mazes": DesignerCase(module.Designer, config)}) for law in designer_laws.LAWS]
    return check_class(group, name, getattr(module, _CLASSES[group]), config)


def check_env(make: Callable[..., Any], config: Any) -> list[LawResult]:
    """One result per law of environments.

    Raises:
        UserError: it cannot be made.
    """
    case = EnvCase(make, config)
    env = case.build(1)
    env.close()
    return [_try(law, {env.spec.id: case}) for law in env_laws.LAWS]


def check_class(group: str, name: str, plugin_class: Any, config: Any) -> list[LawResult]:
    """One result per law: passed where it holds in every world that the choice fits.

    Raises:
        UserError: it fits none of them, or extends none of our base classes.
    """
    if group == "reward":
        check_scheme_class(name, plugin_class)
    if group == "agent":
        check_agent_class(name, plugin_class)
    cases: dict[str, Any] = {}
    refusals: list[str] = []
    for world, spec in worlds((*((POSITION, SIGHT) if group == "agent" else ()), *config.privileged())).items():
        if group == "reward" and (
            (world == "table" and not plugin_class.reads_mdp) or (world == "goals" and not plugin_class.relabels)
        ):
            continue  # to others it is another vector
        if group == "curriculum" and world == "goals":
            continue  # it has goals of its own, and a run refuses the two together
        if world in (BUDGETS, SHOPS) and (group != "agent" or cases):
            continue
        for case in _candidates(group, plugin_class, config, spec):
            try:
                case.build()
            except UserError as refusal:
                refusals.append(str(refusal))
                continue
            except Exception:  # a fault, which the laws will tell: only a UserError is a refusal
                pass
            cases[world] = case
            break
    if not cases:
        raise UserError(f"check {group}={name}: fits none of the made-up worlds ({refusals[0]})")
    laws: dict[str, tuple[Callable[[Any], None], ...]] = {
        "reward": (*reward_laws.LAWS, *replay_laws.REWARD_LAWS),
        "agent": agent_laws.LAWS if group != "agent" else (*agent_laws.LAWS, *way(plugin_class).LAWS),
        "curriculum": conditioner_laws.LAWS,
    }
    found = [_try(law, cases) for law in laws[group]]
    shows = {world: case for world, case in cases.items() if group == "reward" and _shows(case)}
    shown = {world: ConditionerCase(_conditioner_of(plugin_class), config, case.spec) for world, case in shows.items()}
    return found + [_try(law, shown) for law in (conditioner_laws.LAWS if shown else ())]


def _shows(case: RewardCase) -> bool:
    """Whether the scheme shows the agent something of its own."""
    try:
        return case.build()[0].conditioner is not None
    except Exception:  # a fault, which the laws tell
        return False


def _conditioner_of(scheme: Callable[..., Any]) -> Callable[..., Any]:
    return lambda config, context: scheme(config, context).conditioner


def _candidates(group: str, plugin_class: Callable[..., Any], config: Any, spec: EnvSpec) -> list[Any]:
    """An agent that refuses a second reward stream is tested with the task's alone."""
    if group == "reward":
        return [RewardCase(plugin_class, config, spec)]
    if group == "curriculum":
        return [ConditionerCase(plugin_class, config, spec)]
    return [AgentCase(plugin_class, config, spec, streams) for streams in (STREAMS, STREAMS[:1])]


def _try(law: Callable[[Any], None], cases: dict[str, Any]) -> LawResult:
    for world, case in cases.items():
        try:
            law(case)
        except Broken as broken:
            return LawResult(law.__name__, False, f"in the world {world}: {broken}")
        except Exception as error:  # a user's own plug-in may fail in any way
            return LawResult(law.__name__, False, f"in the world {world}: {type(error).__name__}: {error}")
    return LawResult(law.__name__, True, "")
