"""A recurrent model of the world in latent space: what has been seen, and what actions would make of it.

Source: Guo et al. 2022, BYOL-Explore: exploration by bootstrapped prediction.
"""

from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.maths.distinct import distinct_of, pick, spread
from rewardlab.networks.init import seeded_gru
from rewardlab.networks.memory import Memory, unroll
from rewardlab.parts.both_ends import at_both_ends
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size, distinct_actions, encode_action
from rewardlab.types import EnvSpec, Rollout, State


class LatentWorldModel(nn.Module):
    """Encoder, a closed-loop GRU over what is seen, and an open-loop GRU over actions alone.

    belief b_t = closed(b_t-1; encoding of o_t, a_t-1), from zero at the start of an episode;
    imagined b_t,0 = b_t and b_t,k = open(b_t,k-1; a_t+k-1).
    """

    def __init__(self, spec: EnvSpec, hidden: int, features: int, memory: int, generator: torch.Generator) -> None:
        super().__init__()
        self._spec, actions = spec.action, action_size(spec.action)
        self.encoder = ObservationEncoder(spec.obs, hidden, features, generator)
        self.closed = Memory(features + actions, memory, generator)
        self.open = seeded_gru(actions, memory, generator)

    def beliefs(
        self, encoded: torch.Tensor, previous: torch.Tensor, state: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """b [T, N, M] from encodings [T, N, F], previous actions [T, N, A] and the belief before [N, M]."""
        outputs: torch.Tensor = self.closed(torch.cat([encoded, previous], dim=-1), state, first)[0]
        return outputs

    def imagine(self, belief: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Open-loop states [K, ..., M] after each of K actions [K, ...] taken from beliefs [..., M] on."""
        rows, which = distinct_actions(action, self._spec)
        states = unroll(self.open, rows, which.flatten(1), belief.flatten(0, -2))
        return states.view(len(action), *belief.shape)


@dataclass
class History:
    """S steps: some from before a rollout of T steps, and the rollout's.

    belief: [S, N, M]. action: [S, N] or [S, N, *shape]. episode: int64 [S, N], a number that differs between the
    episodes of one environment, -1 before its first step. previous: encoded, [T, N, A], the action before each step of
    the rollout, zeros at the start of an episode.
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
        shape, dtype = spec.action.shape, torch.int64 if spec.action.discrete else torch.float32
        self._action = torch.zeros(self._kept, num_envs, *shape, dtype=dtype, device=device)
        self._episode = torch.full((self._kept, num_envs), -1, device=device)

    def take_in(self, model: LatentWorldModel, rollout: Rollout) -> History:
        """Go through a rollout, and remember its last steps for the next one."""
        previous = torch.cat([self._action[-1:], rollout.action[:-1]])
        previous = encode_action(previous, self._spec.action) * (~rollout.first).unsqueeze(-1)
        encoded, _ = at_both_ends(model.encoder, rollout)
        belief = model.beliefs(encoded, previous, self._belief[-1], rollout.first)
        episode = self._episode[-1].clamp(min=0) + rollout.first.cumsum(dim=0)
        history = History(
            torch.cat([self._belief, belief]),
            torch.cat([self._action, rollout.action]),
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
    """Predictions 1 to K actions ahead from B steps.

    belief: [B, M], where they start. imagined: [K, B, M], open-loop states after each action. action: [K, B] or
    [K, B, *shape]. target: what it led to, [K, B, F]. valid: bool [K, B], whether it was taken in the episode and
    rollout of the step.
    """

    belief: torch.Tensor
    imagined: torch.Tensor
    action: torch.Tensor
    target: torch.Tensor
    valid: torch.Tensor

    def before(self) -> torch.Tensor:
        """Open-loop states before each action, [K, B, M]."""
        return torch.cat([self.belief.unsqueeze(0), self.imagined[:-1]])

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
        self._here, self._first = distinct_of(rollout).here[:-1].flatten(), rollout.first.flatten()
        self._target, self._previous = target.flatten(0, 1), history.previous.flatten(0, 1)
        self._before = history.belief[-steps - 1 : -1].flatten(0, 1)
        self._action, self._episode = rollout.action.flatten(0, 1), history.episode[-steps:].flatten()
        self.count = -(-steps // length) * self._num_envs

    def windows(self, model: LatentWorldModel, horizon: int, index: torch.Tensor) -> Windows:
        """The windows from every step of the sequences `index` [M], with gradients: B = length * M."""
        steps = self._steps
        start, env = index // self._num_envs * self._length, index % self._num_envs
        step = start + torch.arange(self._length, device=start.device).unsqueeze(1)

        def at(step: torch.Tensor) -> torch.Tensor:
            return step.clamp(max=steps - 1) * self._num_envs + env

        here = at(step)
        picked = pick(spread(self._here, here).flatten(), len(self._inputs))
        encoded = spread(model.encoder.layers(self._inputs.index_select(0, picked.rows)), picked.place.view(here.shape))
        belief = model.beliefs(
            encoded, spread(self._previous, here), spread(self._before, at(start)), spread(self._first, here)
        ).flatten(0, 1)
        later = step + torch.arange(horizon, device=start.device).view(-1, 1, 1)
        place = at(later)
        same = (spread(self._episode, place) == spread(self._episode, here)) & (later < steps)
        place, same = place.flatten(1), same.flatten(1)
        action = spread(self._action, place)
        return Windows(belief, model.imagine(belief, action), action, spread(self._target, place), same)
