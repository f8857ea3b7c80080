"""From a config to the objects of a run: environments, reward scheme, agent and their random streams."""

from dataclasses import replace
from types import ModuleType
from typing import cast

from rewardlab import discovery, seeding
from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.facts import BEGUN, GAP
from rewardlab.rewards.transformed import transformed
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.training.compatibility import check_agent_class, check_fit, check_scheme_class
from rewardlab.training.environments import evaluation_levels, make_level_env, make_training_env
from rewardlab.training.levels import training_levels
from rewardlab.training.parts import Generators, RunParts
from rewardlab.training.suite import check_suite
from rewardlab.training.wrappers.action_env import ActionEnv
from rewardlab.training.wrappers.goal_env import GoalEnv
from rewardlab.training.wrappers.start_env import StartEnv
from rewardlab.types import Agent, Conditioner, Curriculum, EnvSpec, GoalVecEnv, LevelDesigner, Privileges, RewardScheme


def build(config: RootConfig) -> RunParts:
    """Build a run's parts.

    Raises:
        UserError: they do not fit together; nothing has been written yet.
    """
    evaluated = [seed for levels in evaluation_levels(config) for seed in levels]
    check_suite(config)
    env = make_training_env(config)
    try:
        config.curriculum.check(env.spec, training_levels(config), evaluated)
        scheme_class = discovery.load("reward", config.reward.plugin).Scheme
        agent_class = discovery.load("agent", config.agent.plugin).Agent
        check_scheme_class(config.reward.name, scheme_class)
        check_agent_class(config.agent.name, agent_class)
        generators = Generators()
        module = discovery.load("curriculum", config.curriculum.plugin)
        privileges = _privileges(config, module, generators, env.spec, agent_class)
        if privileges is not None:
            env = ActionEnv(env, privileges)
        scheme_context = generators.context("scheme", config, env.spec)
        if env.spec.goals:
            scheme_context = replace(scheme_context, goal_outcome=cast(GoalVecEnv, env).goal_outcome)
        scheme = transformed(scheme_class(config.reward, scheme_context), config.reward, scheme_context)
        conditioner = _conditioner(config, module, generators, env.spec, scheme)
        paid = scheme.streams
        asked = (*config.reward.privileged(), *config.agent.privileged())
        spec, kept = env.spec, (*asked, *((GAP,) if config.env.TELLS_GAP else ()))
        if conditioner is not None:
            spec, paid = replace(spec, obs={**spec.obs, **conditioner.obs}), paid + conditioner.streams
        agent_context = generators.context("agent", config, spec)
        agent = agent_class(config.agent, agent_context, paid)
        check_fit(scheme, agent, config, spec)
        curriculum = _curriculum(config, module, generators, env.spec, agent)
        designer, rival = _designer(config, module, generators, env.spec), None
        if curriculum is not None:
            tells = hasattr(module, "Conditioner")
            env = StartEnv(env, curriculum, make_level_env(config), tells)
            kept = (*kept, BEGUN) if tells else kept
        if conditioner is not None:  # around the starts: goals are set where episodes begin
            env = GoalEnv(env, conditioner, kept, learns=True, gamma=config.agent.gamma)
        _hand_over_losses(scheme, agent, config, conditioner)
        if scheme.asks_policy:
            scheme.take_policy(agent.log_prob)
        generators.torch_rngs["act"] = seeding.torch_rng(config.seed, "act")
        if designer is not None and designer.students > 1:
            rival = _rival(config, generators, env.spec)
        _check_warmup(scheme, config)
        if designer is not None:
            _check_tries(designer, scheme, agent, config)
    except BaseException:
        env.close()
        raise
    return RunParts(env, agent, scheme, conditioner, curriculum, designer, rival, privileges, generators)


def _conditioner(
    config: RootConfig, module: ModuleType, generators: Generators, spec: EnvSpec, scheme: RewardScheme
) -> Conditioner | None:
    """What sets goals: the curriculum, or a scheme that shows the agent something of its own."""
    if scheme.conditioner is not None and spec.goals:
        raise UserError(f"reward={config.reward.name}: shows the agent its own goals, and {spec.id} has goals too")
    if not hasattr(module, "Conditioner"):
        return scheme.conditioner
    if scheme.conditioner is not None:
        raise UserError(
            f"curriculum={config.curriculum.name}: sets goals, and so does reward={config.reward.name}; leave out one"
        )
    if spec.goals:
        raise UserError(f"curriculum={config.curriculum.name}: sets goals, and {spec.id} has its own")
    context = generators.context("curriculum", config, spec)
    made: Conditioner = module.Conditioner(config.curriculum, context)
    taken = {stream.name for stream in scheme.streams} & {stream.name for stream in made.streams}
    if taken:
        raise UserError(
            f"curriculum={config.curriculum.name}: pays a reward stream named {taken.pop()}, and so does"
            f" reward={config.reward.name}; name that one otherwise"
        )
    return made


def _curriculum(
    config: RootConfig, module: ModuleType, generators: Generators, spec: EnvSpec, agent: Agent
) -> Curriculum | None:
    """What says where episodes begin: the curriculum, or an agent that finds such places itself."""
    found = agent.curriculum
    if found is not None and config.curriculum.plugin != NO_CURRICULUM:
        raise UserError(
            f"agent={config.agent.name}: has a curriculum of its own; leave out curriculum={config.curriculum.name}"
        )
    if hasattr(module, "Curriculum"):
        name = "starts" if hasattr(module, "Conditioner") else "curriculum"  # which has the other name then
        found = module.Curriculum(config.curriculum, generators.context(name, config, spec))
    return found


def _privileges(
    config: RootConfig, module: ModuleType, generators: Generators, spec: EnvSpec, agent: type[BaseAgent]
) -> Privileges | None:
    """What training may do beyond the task, where the curriculum says so."""
    if not hasattr(module, "Privileges"):
        return None
    if agent.learns_from == "exploring":
        raise UserError(
            f"curriculum={config.curriculum.name} agent={config.agent.name}: explores environments of its own, where"
            " nobody has privileges; use agent=ppo"
        )
    made: Privileges = module.Privileges(config.curriculum, generators.context("curriculum", config, spec))
    if made.extra and not agent.masks_actions:
        raise UserError(
            f"curriculum={config.curriculum.name} agent={config.agent.name}: can't leave actions out of evaluations;"
            " use agent=ppo, or curriculum.form=relaxed"
        )
    return made


def _designer(config: RootConfig, module: ModuleType, generators: Generators, spec: EnvSpec) -> LevelDesigner | None:
    """What chooses the levels of rounds, where the curriculum does."""
    if not hasattr(module, "Designer"):
        return None
    made: LevelDesigner = module.Designer(config.curriculum, generators.context("curriculum", config, spec))
    return made


def _rival(config: RootConfig, generators: Generators, spec: EnvSpec) -> tuple[Agent, RewardScheme]:
    """The second student: another agent of the same options, paid by another scheme of the same options."""
    context = generators.context("scheme_rival", config, spec)
    scheme = transformed(
        discovery.load("reward", config.reward.plugin).Scheme(config.reward, context), config.reward, context
    )
    agent = discovery.load("agent", config.agent.plugin).Agent(
        config.agent, generators.context("agent_rival", config, spec), scheme.streams
    )
    _hand_over_losses(scheme, agent, config)
    if scheme.asks_policy:
        scheme.take_policy(agent.log_prob)
    generators.torch_rngs["act_rival"] = seeding.torch_rng(config.seed, "act_rival")
    return agent, scheme


def _hand_over_losses(
    scheme: RewardScheme, agent: Agent, config: RootConfig, conditioner: Conditioner | None = None
) -> None:
    from_goals = () if conditioner is None or conditioner is scheme.conditioner else conditioner.aux_losses()
    for losses, giver in (
        (scheme.aux_losses(), f"reward={config.reward.name}"),
        (from_goals, f"curriculum={config.curriculum.name}"),
    ):
        if losses and not agent.takes_aux_losses:
            raise UserError(
                f"agent={config.agent.name}: can't learn from the loss that {giver} hands to it; use agent=ppo"
            )
        if losses:
            agent.take_aux_losses(losses)


def _check_warmup(scheme: RewardScheme, config: RootConfig) -> None:
    frames = scheme.warmup_steps * config.num_envs
    if frames >= config.frames:
        key = next((f" (reward.{name})" for name in ("warmup", "key") if hasattr(config.reward, name)), "")
        raise UserError(
            f"frames={config.frames}: reward={config.reward.name} warms up for {scheme.warmup_steps} steps of"
            f" {config.num_envs} environments first{key}, {frames} frames, which leaves nothing to train on"
        )


def _check_tries(designer: LevelDesigner, scheme: RewardScheme, agent: Agent, config: RootConfig) -> None:
    """Levels that are only tried are frames, too, and a run of nothing else would end as if it had learned."""
    a_step = config.num_envs * designer.students
    tried = designer.only_tried(config.num_envs) * agent.rollout_steps * a_step
    least = scheme.warmup_steps * a_step + tried + a_step
    if tried and least > config.frames:
        key = next((f" (curriculum.{name})" for name in ("archive", "sampled") if hasattr(config.curriculum, name)), "")
        raise UserError(
            f"frames={config.frames}: curriculum={config.curriculum.name} only tries levels first{key}, for {tried}"
            f" frames that nobody learns from; use frames={least} or more"
        )
