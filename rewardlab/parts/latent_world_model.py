"""A recurrent model of the world in latent space: what has been seen, and what actions would make of it.

Source: Guo et al. 2022, BYOL-Explore: exploration by bootstrapped prediction.
"""

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.networks.init import seeded_gru
from rewardlab.networks.memory import Memory, gru_step
from rewardlab.parts.inverse_model import ObservationEncoder, action_size, encode_action
from rewardlab.types import EnvSpec, Rollout, State


class LatentWorldModel(nn.Module):
    """Encoder, a closed-loop GRU over what is seen, and an open-loop GRU over actions alone.

    belief b_t = closed(b_t-1; encoding of o_t, a_t-1), from zero at the start of an episode;
    imagined b_t,0 = b_t and b_t,k = open(b_t,k-1; a_t+k-1).
    """

    def __init__(self, spec: EnvSpec, hidden: int, features: int, memory: int, generator: torch.Generator) -> None:
        super().__init__()
        actions = action_size(spec.action)
        self.encoder = ObservationEncoder(spec.obs, hidden, features, generator)
        self.closed = Memory(features + actions, memory, generator)
        self.open = seeded_gru(actions, memory, generator)

    def beliefs(
        self, flat: torch.Tensor, previous: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """b [T, N, M] from the encoder's inputs [T, N, D], previous actions [T, N, A] and the belief before [N, M]."""
        inputs = torch.cat([self.encoder.layers(flat), previous], dim=-1)
        outputs: torch.Tensor = self.closed(inputs, state, first)[0]
        return outputs

    def imagine(self, imagined: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """One step of the open loop: states [..., M] and actions [..., A] -> [..., M]."""
        return gru_step(self.open, action.flatten(0, -2), imagined.flatten(0, -2)).view(imagined.shape)


@dataclass
class History:
    """S steps: some from before a rollout of T steps, and the rollout's.

    belief: [S, N, M]. action: encoded, [S, N, A]. episode: int64 [S, N], a number that differs between the episodes of
    one environment, -1 before its first step. previous: [T, N, A], the action before each step of the rollout, zeros
    at the start of an episode.
    """

    belief: torch.Tensor
    action: torch.Tensor
    episode: torch.Tensor
    previous: torch.Tensor

    def unbroken(self, ahead: int) -> torch.Tensor:
        """Whether the prediction `ahead` actions on of each step's outcome began in its episode, bool [T, N]."""
        steps = len(self.previous)
        start = len(self.episode) - steps - ahead + 1
        began, here = self.episode[start : start + steps], self.episode[-steps:]
        return (began == here) & (began >= 0)


class BeliefState:
    """What of the last steps outlasts a rollout: so that a rollout's end changes no belief and cuts no prediction."""

    def __init__(self, num_envs: int, memory: int, spec: EnvSpec, horizon: int, device: torch.device) -> None:
        """`horizon` - 1 earlier steps are kept, at least one."""
        self._spec, self._kept = spec, max(1, horizon - 1)
        self._belief = torch.zeros(self._kept, num_envs, memory, device=device)
        self._action = torch.zeros(self._kept, num_envs, action_size(spec.action), device=device)
        self._episode = torch.full((self._kept, num_envs), -1, device=device)

    def take_in(self, model: LatentWorldModel, rollout: Rollout) -> History:
        """Go through a rollout, and remember its last steps for the next one."""
        action = encode_action(rollout.action, self._spec.action)
        previous = torch.cat([self._action[-1:], action[:-1]]) * (~rollout.first).unsqueeze(-1)
        belief = model.beliefs(model.encoder.flat(rollout.obs), previous, self._belief[-1], rollout.first)
        episode = self._episode[-1].clamp(min=0) + rollout.first.cumsum(dim=0)
        history = History(
            torch.cat([self._belief, belief]),
            torch.cat([self._action, action]),
            torch.cat([self._episode, episode]),
            previous,
        )
        self._belief = history.belief[-self._kept :].clone()
        self._action = history.action[-self._kept :].clone()
        self._episode = history.episode[-self._kept :].clone()
        return history

    def state_dict(self) -> State:
        return {"belief": self._belief.clone(), "action": self._action.clone(), "episode": self._episode.clone()}

    def load_state_dict(self, state: State) -> None:
        device = self._belief.device
        self._belief = state["belief"].to(device, copy=True)
        self._action = state["action"].to(device, copy=True)
        self._episode = state["episode"].to(device, copy=True)


@dataclass
class Windows:
    """Predictions 1 to K actions ahead from B steps, all [K, B, ...].

    before, after: open-loop states on either side of the action. action: the last one, encoded. target: what it led
    to. valid: bool, whether it was taken in the episode and rollout of the step.
    """

    before: torch.Tensor
    after: torch.Tensor
    action: torch.Tensor
    target: torch.Tensor
    valid: torch.Tensor

    def mean(self, errors: torch.Tensor) -> torch.Tensor:
        """The mean over steps of the mean over each one's valid predictions, of errors [K, B]."""
        valid = self.valid.to(errors)
        ahead = valid.sum(dim=0)
        return ((errors * valid).sum(dim=0) / ahead.clamp(min=1.0)).sum() / (ahead > 0).sum().clamp(min=1)


class Sequences:
    """A rollout cut into sequences of `length` steps, from which a world model learns.

    Each starts from the belief that the model had there. Predictions reach beyond a sequence, not beyond the rollout.
    """

    def __init__(self, inputs: torch.Tensor, first: torch.Tensor, history: History, target: torch.Tensor, length: int):
        """
        Args:
            inputs: [T, N, D] of the encoder. first: bool [T, N]. target: [T, N, F], of the true successors.
        """
        steps, self._num_envs = first.shape
        self._inputs, self._first, self._target, self._length = inputs, first, target, length
        self._previous, self._before = history.previous, history.belief[-steps - 1 : -1]
        self._action, self._episode = history.action[-steps:], history.episode[-steps:]
        self.count = -(-steps // length) * self._num_envs

    def windows(self, model: LatentWorldModel, horizon: int, index: torch.Tensor) -> Windows:
        """The windows from every step of the sequences `index` [M], with gradients: B = length * M."""
        steps = len(self._first)
        start, env = index // self._num_envs * self._length, index % self._num_envs
        step = start + torch.arange(self._length, device=start.device).unsqueeze(1)
        real, at = step < steps, step.clamp(max=steps - 1)
        belief = model.beliefs(
            self._inputs[at, env], self._previous[at, env], self._before[start, env], self._first[at, env]
        )
        imagined, episode = belief.flatten(0, 1), self._episode[at, env]
        states, actions, targets, valid = [imagined], [], [], []
        for ahead in range(horizon):
            later = (step + ahead).clamp(max=steps - 1)
            action = self._action[later, env].flatten(0, 1)
            imagined = model.imagine(imagined, action)
            states.append(imagined)
            actions.append(action)
            targets.append(self._target[later, env].flatten(0, 1))
            same = (self._episode[later, env] == episode) & (step + ahead < steps) & real
            valid.append(same.flatten())
        return Windows(
            torch.stack(states[:-1]), torch.stack(states[1:]), torch.stack(actions), torch.stack(targets),
            torch.stack(valid),
        )  # fmt: skip
