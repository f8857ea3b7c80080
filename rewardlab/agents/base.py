"""What agents have in common. A new agent overrides what it needs, besides `act` and what it learns by."""

from __future__ import annotations

from typing import Any

import torch

from rewardlab.networks.row_policy import RowPolicy
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import AuxLoss, Curriculum, Metrics, State, TensorObs


class BaseAgent:
    """Learns nothing before the first frame, assumes nothing, has no state of its own.

    Attributes:
        learns_from: the module of `training/learning/` that says what the agent plays and is given: on_policy, ...
        metrics: names of what it tells of its learning: columns of train.csv.
        assumes: what it needs beyond an ordinary learner: demos, state_restore, fixed_level, ...
        stochastic: whether its policy is random in evaluation too, where the mode is not greedy.
        takes_aux_losses: whether `take_aux_losses` works.
        tells_log_prob: whether `log_prob` works.
        mixes_advantages: whether it learns from shares of the streams' advantages: `Signals.mixture`.
        masks_actions: whether it plays with actions that only training has, `ActionSpec.extra`, and leaves them out of
            evaluations; `drop_actions` then works.
        obeys_masks: whether it takes only actions that the observation allows, `types.MASK`. Each class says so of
            itself: what extends one that does may act otherwise.
        reads_rewards: whether it learns from what it is paid; False: from what it sees alone.
        curriculum: where episodes begin, of an agent that finds such places itself.
        whole_episodes: whether it learns from whole episodes only, so that the task needs a limit of steps.
        stateful: names of the attributes that are saved: modules, optimisers, parts with a `state_dict`.
        acts_by: the name of the attribute whose state is the trained policy.
        bandit_rule: what `act` does on bandits, where compiled passes can do it: see `maths.bandits`.
        row_policy: what `act` does of single observations, where compiled passes can do it: see `networks.row_policy`.
    """

    learns_from: str = ""
    metrics: tuple[str, ...] = ()
    assumes: frozenset[str] = frozenset()
    stochastic: bool = False
    takes_aux_losses: bool = False
    tells_log_prob: bool = False
    mixes_advantages: bool = False
    masks_actions: bool = False
    obeys_masks: bool = False
    reads_rewards: bool = True
    curriculum: Curriculum | None = None
    whole_episodes: bool = False
    stateful: tuple[str, ...] = ()
    acts_by: str = ""
    bandit_rule: Any = None
    row_policy: RowPolicy | None = None
    _updates: int = 0

    def __init_subclass__(cls) -> None:
        cls.obeys_masks = vars(cls).get("obeys_masks", False)
        if "take_aux_losses" in vars(cls) and not cls.takes_aux_losses:
            raise TypeError(f"{cls.__name__} has take_aux_losses and must say so: takes_aux_losses = True")
        if "log_prob" in vars(cls) and not cls.tells_log_prob:
            raise TypeError(f"{cls.__name__} has log_prob and must say so: tells_log_prob = True")

    def initial_state(self, num_envs: int) -> torch.Tensor | None:
        """The recurrent state [N, ...] before an episode; None for an agent without memory."""
        return None

    def pretrain(self) -> Metrics:
        """Learn before the first frame, where that is wanted."""
        return {}

    def take_aux_losses(self, losses: tuple[AuxLoss, ...]) -> None:
        """Learn from other terms too, after each rollout; called before training, where there are any."""
        raise NotImplementedError

    def drop_actions(self) -> None:
        """Never take an action again that only training has; where that was said before, nothing changes."""
        raise NotImplementedError

    def log_prob(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        """log pi(a|s) of single steps by the policy of now, [B]; for reward schemes that ask."""
        raise NotImplementedError

    def observe(self, obs: TensorObs) -> None:
        """Take observations [B, *shape] that were played into the scale of later ones, where there is one."""

    @property
    def updates(self) -> int:
        """Gradient steps so far."""
        return self._updates

    def policy_state_dict(self) -> State:
        """What `policy.pt` keeps of a trained agent: enough to act."""
        found: State = state_of(self._acting()).get(self.acts_by, {})
        return found

    def load_policy_state_dict(self, state: State) -> None:
        load_state(self._acting(), {self.acts_by: state})

    def state_dict(self) -> State:
        return state_of(self._pieces()) | {"updates": self._updates}

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)
        self._updates = state.get("updates", 0)  # random agents of before saved nothing

    def _pieces(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.stateful}

    def _acting(self) -> dict[str, Any]:
        return {self.acts_by: getattr(self, self.acts_by)} if self.acts_by else {}
