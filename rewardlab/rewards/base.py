"""What reward schemes have in common. A new scheme overrides `bonus`, and of the rest what it needs."""

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.parts.buffers.replay import EPISODE_LENGTH, EPISODE_RETURN
from rewardlab.parts.state import load_state, state_of
from rewardlab.parts.state_keys import StateKeys
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import (
    AuxLoss,
    BuildContext,
    Conditioner,
    Episode,
    LogProb,
    Metrics,
    Rollout,
    Signals,
    State,
    StreamSpec,
    TensorObs,
    Transitions,
    Windows,
)

GIVE_LIMIT = "register it with max_episode_steps"


class BaseScheme:
    """The task's own reward, and nothing to learn or to remember.

    Attributes:
        streams: declared before the agent is built; the task's first.
        warmup_steps: vector steps of a uniform-random agent that `warm_up` wants before training.
        metrics: names that `update` returns: columns of train.csv.
        assumes: what the scheme assumes beyond an agent's view: privileged, state_restore, demos, ...
        privileged: names of the full-state facts that it reads.
        replaces_task: whether its task stream is not the environment's reward.
        models_task: whether what it pays beside the task's reward is learned or designed to stand for it, so that
            train.csv holds it against the true one.
        pays_single_steps: whether it can pay a step of which nothing that came before or after is known.
        pays_by_step: whether what it pays for a step is a function of its state, action and next state: nothing is
            counted, remembered, learned or drawn.
        potential_based: whether what it pays beside the task is shaping by a potential of states, coef left out.
        episodic_memory: whether its bonuses remember within an episode only, so that equal episodes are paid alike.
        pays_prediction: whether the bonus is known before the outcome: of the observation and the action alone.
        pays_anew: whether `rewards_of` works.
        keeps: whether `kept_of` has something kept for it, which demonstrations lack.
        looks_ahead: whether it pays a step by later ones, which an agent on replay may not have played yet.
        labels_data: whether it pays whole recorded episodes as it pays played ones: it learns nothing, and remembers
            nothing beyond an episode. What it pays a data set is learned from offline.
        pays_demonstrated: whether it pays for `demonstrated` steps among those that are replayed, and needs some.
        waits_for_ends: whether `rewards_of` reads what `of_episode` says of steps, which is known only when an episode
            has ended: for agents on replay, whose buffer then takes whole episodes.
        best_share, best_episodes: the share of each minibatch that comes from the best of these, of so many.
        relabels: whether `relabel` works, which only agents on replay ask for; others are refused.
        reads_policy: whether it needs the probabilities of the policy that acted, or adds to advantages.
        asks_policy: whether it asks the agent how likely it finds given actions now, such as demonstrated ones.
        mixes_advantages: whether it says how much of each stream's advantages the agent is to learn from.
        whole_episodes: whether it learns from whole episodes only, so that the task needs a limit of steps.
        reads_mdp: whether it needs the whole task as tables, `EnvSpec.mdp`.
        reads: names of the observation entries without which it can't work: image, mission, vector.
        conditioner: what shows the agent something of the scheme's own beside the world's observation, or None.
        exact: whether a run that goes on is paid what an unbroken one would be.
        told_apart: what it tells states apart by, where it counts them.
        stateful: names of the attributes that are saved: modules, optimisers, parts with a `state_dict`.
    """

    warmup_steps: int = 0
    metrics: tuple[str, ...] = ()
    replaces_task: bool = False
    models_task: bool = False
    pays_single_steps: bool = True
    pays_by_step: bool = False
    potential_based: bool = False
    episodic_memory: bool = False
    pays_prediction: bool = False
    pays_anew: bool = False
    keeps: bool = False
    looks_ahead: bool = False
    labels_data: bool = False
    pays_demonstrated: bool = False
    waits_for_ends: bool = False
    best_share: float = 0.0
    best_episodes: int = 0
    relabels: bool = False
    reads_policy: bool = False
    asks_policy: bool = False
    mixes_advantages: bool = False
    whole_episodes: bool = False
    reads_mdp: bool = False
    reads: tuple[str, ...] = ()
    conditioner: Conditioner | None = None
    exact: bool = True
    told_apart: tuple[StateKeys, ...] = ()
    stateful: tuple[str, ...] = ()
    code = ""

    def __init_subclass__(cls) -> None:
        if "relabel" in vars(cls) and not cls.relabels:
            raise TypeError(f"{cls.__name__} has relabel, which is called only where it says so: relabels = True")

    def __init__(self, config: RewardConfig, context: BuildContext) -> None:
        """Raises:
        UserError: the environment gives no such observation or full-state fact as the scheme reads.
        """
        self.context = context
        name, spec = config.name or config.plugin, context.spec
        for entry in self.reads:
            if entry not in spec.obs:
                shown = ", ".join(spec.obs)
                raise UserError(f"reward={name}: reads the {entry}, and {spec.id} shows {shown}; use another scheme")
        if self.reads_mdp and spec.mdp is None:
            raise UserError(
                f"reward={name}: reads the whole task as tables, which {spec.id} does not give; use env=deepsea, or"
                " env=gym env.id=FrozenLake-v1"
            )
        if self.whole_episodes and spec.max_steps is None:
            raise UserError(
                f"reward={name}: learns from whole episodes, and {spec.id} has no limit of steps; {GIVE_LIMIT}"
            )
        self.streams: tuple[StreamSpec, ...] = (StreamSpec("task", context.gamma),)
        self.privileged = config.privileged()
        self.assumes: frozenset[str] = frozenset({"privileged"} if self.privileged or self.reads_mdp else ())
        for fact in self.privileged:
            if fact not in spec.privileged:
                given = ", ".join(spec.privileged) or "none"
                raise UserError(
                    f"reward={name}: reads the full-state fact {fact}, which {spec.id} does not give (it gives {given})"
                )

    def clears(self, stream: str) -> bool:
        """Whether the stream pays from within the episode alone, so that equal episodes are paid alike."""
        return self.episodic_memory and stream != "task"

    def learned_streams(self, alone: bool = False) -> tuple[str, ...]:
        """The streams that stand for the task's reward; with `alone` those that can pay single steps."""
        if not self.models_task or (alone and not self.pays_single_steps):
            return ()
        return tuple(spec.name for spec in self.streams if spec.name != "task")

    def tell_apart_by(self, keys: StateKeys) -> None:
        """Declare what states are counted by; it sees in `warm_up` what it wants to see first."""
        self.told_apart, self.warmup_steps = (keys,), keys.warmup_steps

    def warm_up(self, rollout: Rollout) -> None:
        """Take in what a uniform-random agent saw before training."""
        for keys in self.told_apart:
            keys.warm_up(rollout)

    def compute(self, rollout: Rollout) -> Signals:
        return Signals({"task": rollout.task_reward})

    def update(self, rollout: Rollout) -> Metrics:
        return {}

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        """What the models of now pay for steps from a replay buffer, float32 [B] for each stream but the task's.

        Nothing is counted or advanced. Full-state facts of the true successors are in `steps.extra` as
        `privileged.<name>`.
        """
        return {}

    def kept_of(self, rollout: Rollout) -> TensorObs:
        """What `rewards_of` wants kept of each step of the rollout that was just paid, [T, N, ...] each."""
        return {}

    def of_episode(self, episode: Episode) -> dict[str, torch.Tensor]:
        """What is kept of each step of an episode that ended, [L, ...] each, for `rewards_of`.

        Asked for where it `waits_for_ends`, once for each episode.
        """
        ones = torch.ones_like(episode.task_reward)
        total = episode.task_reward.double().sum().float()
        return {EPISODE_RETURN: ones * total, EPISODE_LENGTH: ones * len(episode)}

    def relabel(self, episode: Episode, steps: int, rng: np.random.Generator) -> Windows | None:
        """Windows of `steps` steps of an episode that ended, under other goals; None where there are none.

        They are replayed beside the episode's own steps and are paid the task's stream alone.
        """
        raise NotImplementedError

    def annotations(self) -> str:
        """A table of what was asked and answered so far, kept beside each checkpoint; empty where nothing is asked."""
        return ""

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        """Terms that the agent is to learn from too, after each rollout."""
        return ()

    def take_policy(self, log_prob: LogProb) -> None:
        """How likely the agent finds an action now, for `update` to ask; called once, when a run is built."""
        raise NotImplementedError

    def state_dict(self) -> State:
        return state_of({name: getattr(self, name) for name in self.stateful})

    def load_state_dict(self, state: State) -> None:
        load_state({name: getattr(self, name) for name in self.stateful}, state)


@dataclass
class BonusConfig(RewardConfig):
    """The options of every intrinsic bonus. How default weights were chosen: results/reference/tuning."""

    coef: float = option(1.0, "weight of the bonus", minimum=0)
    coef_end: float = option(
        1.0,
        "share of coef that is left at the end of the budget, reached linearly; 1: constant",
        minimum=0,
        neutral=1.0,
    )
    task_coef: float = option(1.0, "weight of the task's reward beside it", minimum=0)
    gamma: float | None = option(None, "discount of the bonus; default: the task's", minimum=0, maximum=1)
    episodic: bool = option(True, "whether the bonus's return ends with the episode")


class BonusScheme(BaseScheme):
    """The task's reward, and a bonus beside it as a stream of its own, `intrinsic`."""

    def __init__(self, config: BonusConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        gamma = context.gamma if config.gamma is None else config.gamma
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            StreamSpec("intrinsic", gamma, config.coef, config.episodic, config.coef_end),
        )

    def compute(self, rollout: Rollout) -> Signals:
        with torch.no_grad():
            return Signals({"task": rollout.task_reward, "intrinsic": self.bonus(rollout)})

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N], for reaching next_obs; asked for once per rollout."""
        raise NotImplementedError
