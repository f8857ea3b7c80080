"""A recurrent model of the world in latent space: what has been seen, and what actions would make of it.

Source: Guo et al. 2022, BYOL-Explore: exploration by bootstrapped prediction.
"""

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.maths.distinct import frames_of, pick, spread
from rewardlab.networks.init import seeded_gru
from rewardlab.networks.memory import Memory, gru_step
from rewardlab.parts.both_ends import at_both_ends
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
        self, encoded: torch.Tensor, previous: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """b [T, N, M] from encodings [T, N, F], previous actions [T, N, A] and the belief before [N, M]."""
        outputs: torch.Tensor = self.closed(torch.cat([encoded, previous], dim=-1), state, first)[0]
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
        encoded, _ = at_both_ends(model.encoder, rollout)
        belief = model.beliefs(encoded, previous, self._belief[-1], rollout.first)
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

    def __init__(self, inputs: torch.Tensor, rollout: Rollout, history: History, target: torch.Tensor, length: int):
        """
        Args:
            inputs: of the encoder, for the rollout's frames, [U, D]. target: [T, N, F], of the true successors.
        """
        self._steps, self._num_envs = steps, _ = rollout.first.shape
        self._inputs, self._length = inputs, length
        self._here, self._first = frames_of(rollout).here[:-1].flatten(), rollout.first.flatten()
        self._target, self._previous = target.flatten(0, 1), history.previous.flatten(0, 1)
        self._before = history.belief[-steps - 1 : -1].flatten(0, 1)
        self._action, self._episode = history.action[-steps:].flatten(0, 1), history.episode[-steps:].flatten()
        self.count = -(-steps // length) * self._num_envs

    def windows(self, model: LatentWorldModel, horizon: int, index: torch.Tensor) -> Windows:
        """The windows from every step of the sequences `index` [M], with gradients: B = length * M."""
        steps = self._steps
        start, env = index // self._num_envs * self._length, index % self._num_envs
        step = start + torch.arange(self._length, device=start.device).unsqueeze(1)

        def at(step: torch.Tensor) -> torch.Tensor:
            return step.clamp(max=steps - 1) * self._num_envs + env

        real, here = step < steps, at(step)
        picked = pick(spread(self._here, here).flatten(), len(self._inputs))
        encoded = spread(model.encoder.layers(self._inputs.index_select(0, picked.rows)), picked.place.view(here.shape))
        belief = model.beliefs(
            encoded, spread(self._previous, here), spread(self._before, at(start)), spread(self._first, here)
        )
        imagined, episode = belief.flatten(0, 1), spread(self._episode, here)
        states, actions, targets, valid = [imagined], [], [], []
        for ahead in range(horizon):
            later = at(step + ahead)
            action = spread(self._action, later.flatten())
            imagined = model.imagine(imagined, action)
            states.append(imagined)
            actions.append(action)
            targets.append(spread(self._target, later.flatten()))
            same = (spread(self._episode, later) == episode) & (step + ahead < steps) & real
            valid.append(same.flatten())
        return Windows(
            torch.stack(states[:-1]), torch.stack(states[1:]), torch.stack(actions), torch.stack(targets),
            torch.stack(valid),
        )  # fmt: skip
