"""What a reward model is shown of a step: [s, a, s - s'], or [s, a]."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from rewardlab.maths.boxes import executed
from rewardlab.maths.distinct import distinct_of, spread, tell_apart
from rewardlab.networks.flat import can_onehot, encode_flat, flat_size
from rewardlab.networks.picture import reads_as_picture
from rewardlab.parts.models.inverse_model import action_size, encode_action
from rewardlab.types import EnvSpec, Rollout, TensorObs, Transitions


class StepInputs:
    """Steps as flat numbers, [..., D]; actions beyond the bounds of a box count as those that were executed.

    Args:
        successors: whether s - s' is shown, as in RRD's code; of pictures it is left out.
        onehot: whether the cells of a grid are one-hot.
    """

    def __init__(self, spec: EnvSpec, device: torch.device, successors: bool, onehot: bool = False) -> None:
        self._spec = spec
        self._onehot = onehot and can_onehot(spec.obs)
        picture = "image" in spec.obs and reads_as_picture(spec.obs["image"])
        self._successors = successors and not picture
        self._low, self._high = (
            torch.tensor(bound).reshape(spec.action.shape or (0,)).to(device)
            for bound in (spec.action.low, spec.action.high)
        )
        shown = flat_size(spec.obs, onehot=self._onehot)
        self.beside = action_size(spec.action) + (shown if self._successors else 0)  # what follows s
        self.size = shown + self.beside

    def of(self, obs: TensorObs, action: torch.Tensor, next_obs: TensorObs) -> torch.Tensor:
        """Entries [..., *shape] -> [..., D]."""
        shown = self._flat(obs)
        parts = [shown, self._action(action)]
        if self._successors:
            parts.append(shown - self._flat(next_obs))
        return torch.cat(parts, dim=-1)

    def of_steps(self, steps: Transitions) -> torch.Tensor:
        return self.of(steps.obs, steps.action, steps.next_obs)

    def of_rollout(self, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
        """The distinct steps of a rollout, [U, D], and which of them each is, int64 [T, N].

        Where actions are not discrete, each step counts as another.
        """
        if not self._spec.action.discrete:
            inputs = self.of(rollout.obs, rollout.action, rollout.next_obs)
            place = torch.arange(rollout.action.shape[0] * rollout.num_envs, device=inputs.device)
            return inputs.flatten(0, 1), place.view(rollout.first.shape)
        distinct = distinct_of(rollout)
        return self._told_apart(distinct.rows, distinct.here[:-1], rollout.action, distinct.there)

    def through(self, layer: nn.Linear, rollout: Rollout) -> torch.Tensor:
        """What a layer makes of the steps of a rollout whose successors are not shown: [T, N, C].

        Where actions are discrete it is a sum of what it makes of the observation and of the action, each distinct one
        taken once.
        """
        assert not self._successors
        if not self._spec.action.discrete:
            made: torch.Tensor = layer(self.of(rollout.obs, rollout.action, rollout.next_obs))
            return made
        distinct = distinct_of(rollout)
        flat = self._flat(distinct.rows)
        of_obs = functional.linear(flat, layer.weight[:, : flat.shape[1]], layer.bias)
        of_action = layer.weight[:, flat.shape[1] :].t()
        return spread(of_obs, distinct.here[:-1]) + spread(of_action, rollout.action)

    def distinct(self, steps: Transitions) -> tuple[Transitions, torch.Tensor]:
        """Those that differ of steps [B] whose successors are not shown, and which of them each is, int64 [B].

        Where actions are not discrete, each step counts as another.
        """
        assert not self._successors
        if not self._spec.action.discrete:
            return steps, torch.arange(len(steps.action), device=steps.action.device)
        actions = int(self._spec.action.n or 0)
        rows, place = tell_apart(steps.obs)
        found, place = torch.unique(place * actions + steps.action, return_inverse=True)
        shown = {name: entry.index_select(0, found // actions) for name, entry in rows.items()}
        return Transitions(shown, found % actions, {}, {}), place

    def of_some(self, steps: Transitions, places: torch.Tensor) -> torch.Tensor:
        """Those at these places, int64 [K] -> [K, D], where successors are not shown."""
        obs = {name: entry.index_select(0, places) for name, entry in steps.obs.items()}
        return self.of(obs, steps.action.index_select(0, places), obs)

    def _told_apart(
        self, obs: TensorObs, here: torch.Tensor, action: torch.Tensor, there: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of distinct observations [R, *shape], and steps by their numbers and discrete actions, int64 [...]."""
        rows, actions = len(next(iter(obs.values()))), int(self._spec.action.n or 0)
        number = here * actions + action
        found, place = torch.unique(number * rows + there if self._successors else number, return_inverse=True)
        known = found // rows if self._successors else found
        flat = self._flat(obs)
        shown = spread(flat, known // actions)
        parts = [shown, self._action(known % actions)]
        if self._successors:
            parts.append(shown - spread(flat, found % rows))
        return torch.cat(parts, dim=-1), place

    def _flat(self, obs: TensorObs) -> torch.Tensor:
        return encode_flat(obs, self._spec.obs, onehot=self._onehot)

    def _action(self, action: torch.Tensor) -> torch.Tensor:
        if not self._spec.action.discrete:
            action = executed(action, self._low, self._high, self._spec.action.whole)
        return encode_action(action, self._spec.action)
