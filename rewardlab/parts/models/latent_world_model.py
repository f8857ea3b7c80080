"""A recurrent model of the world in latent space: what has been seen, and what actions would make of it.

Source: Guo et al. 2022, BYOL-Explore: exploration by bootstrapped prediction.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from rewardlab.maths.distinct import distinct_of, pick, spread
from rewardlab.networks.init import seeded_gru
from rewardlab.networks.memory import Memory, unroll
from rewardlab.parts.models.inverse_model import ObservationEncoder, action_size, distinct_actions, encode_action
from rewardlab.types import EnvSpec, Rollout, State


class WorldModel(Protocol):
    """What looks at a world model's beliefs and imagination; the methods are those of `LatentWorldModel`."""

    def beliefs(
        self,
        inputs: torch.Tensor,
        place: torch.Tensor,
        previous: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor: ...

    def step(self, state: torch.Tensor, action: torch.Tensor) -> torch.Tensor: ...


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
        self,
        inputs: torch.Tensor,
        place: torch.Tensor,
        previous: torch.Tensor,
        state: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor:
        """b [T, N, M].

        Args:
            inputs: of the encoder, [U, D]. place: int64 [T, N], which of them each step shows.
            previous: encoded actions before, [T, N, A]. state: the belief before, [N, M].
            first: bool [T, N], where an episode begins.
        """
        encoded = spread(self.encoder.layers(inputs), place)
        outputs: torch.Tensor = self.closed(torch.cat([encoded, previous], dim=-1), state, first)[0]
        return outputs

    def imagine(self, belief: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Open-loop states [K + 1, B, M]: beliefs [B, M], and what each of K actions [K, B] made of them."""
        rows, which = distinct_actions(action, self._spec)
        return torch.cat([belief.unsqueeze(0), unroll(self.open, rows, which, belief)])

    def step(self, state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Open-loop states [B, M] after actions [B] in others [B, M]."""
        return self.imagine(state, action.unsqueeze(0))[1]


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

    def take_in(self, model: WorldModel, inputs: torch.Tensor, rollout: Rollout) -> History:
        """Go through a rollout, and remember its last steps for the next one.

        Args:
            inputs: of the encoder, for the rollout's frames, [U, D].
        """
        previous = torch.cat([self._action[-1:], rollout.action[:-1]])
        previous = encode_action(previous, self._spec.action) * (~rollout.first).unsqueeze(-1)
        here = distinct_of(rollout).here[:-1]
        belief = model.beliefs(inputs, here, previous, self._belief[-1], rollout.first)
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
class Batch:
    """L steps of M sequences, to learn from: predictions 1 to K actions ahead from each of the B = L * M steps.

    inputs: of the encoder, distinct ones, [U, D]. place: int64 [L, M], which of them each step shows. previous, state,
    first: as in `LatentWorldModel.beliefs`. action: [K, B] or [K, B, *shape]. targets: [V, F]; aim: int64 [K, B], which
    of them each action led to. valid: bool [K, B], whether it was taken in the episode and rollout of the step.
    """

    inputs: torch.Tensor
    place: torch.Tensor
    previous: torch.Tensor
    state: torch.Tensor
    first: torch.Tensor
    action: torch.Tensor
    targets: torch.Tensor
    aim: torch.Tensor
    valid: torch.Tensor

    def weights(self) -> torch.Tensor:
        """What each prediction counts, [K, B], in the mean over steps of the mean over each one's valid predictions."""
        ahead = self.valid.sum(dim=0)
        return self.valid / (ahead.clamp(min=1) * (ahead > 0).sum().clamp(min=1))

    def imagined(self, model: LatentWorldModel) -> torch.Tensor:
        """Open-loop states, [K + 1, B, M], with gradients: see `LatentWorldModel.imagine`."""
        belief = model.beliefs(self.inputs, self.place, self.previous, self.state, self.first)
        return model.imagine(belief.flatten(0, 1), self.action)


class Sequences:
    """A rollout cut into sequences of `length` steps, from which a world model learns.

    Each starts from the belief that the model had there. Predictions reach beyond a sequence, not beyond the rollout.
    """

    def __init__(
        self,
        inputs: torch.Tensor,
        rollout: Rollout,
        history: History,
        targets: torch.Tensor,
        length: int,
        horizon: int,
    ) -> None:
        """
        Args:
            inputs: of the encoder, for the rollout's frames, [U, D]. targets: what is predicted of each frame, [U, F].
            length: L. horizon: K, so far ahead is predicted.
        """
        self._steps, self._num_envs = steps, _ = rollout.first.shape
        self._inputs, self._targets, self._length = inputs, targets, length
        distinct, episode = distinct_of(rollout), history.episode[-steps:]
        self._here, self._first = distinct.here[:-1].flatten(), rollout.first.flatten()
        self._previous, self._before = history.previous.flatten(0, 1), history.belief[-steps - 1 : -1].flatten(0, 1)
        device = rollout.first.device
        later = torch.arange(steps, device=device) + torch.arange(horizon, device=device).unsqueeze(1)
        at = later.clamp(max=steps - 1)
        self._action, self._aim = (entry[at].flatten(1, 2) for entry in (rollout.action, distinct.there))
        self._valid = ((episode[at] == episode) & (later < steps).unsqueeze(-1)).flatten(1)
        self.count = -(-steps // length) * self._num_envs

    def batch(self, index: torch.Tensor) -> Batch:
        """The sequences `index` [M]."""
        start, env = index // self._num_envs * self._length, index % self._num_envs
        step = start + torch.arange(self._length, device=start.device).unsqueeze(1)
        here = step.clamp(max=self._steps - 1) * self._num_envs + env
        picked, each = pick(spread(self._here, here).flatten(), len(self._inputs)), here.flatten()
        return Batch(
            inputs=self._inputs.index_select(0, picked.rows),
            place=picked.place.view(here.shape),
            previous=spread(self._previous, here),
            state=spread(self._before, here[0]),
            first=spread(self._first, here),
            action=self._action.index_select(1, each),
            targets=self._targets,
            aim=self._aim.index_select(1, each),
            valid=self._valid.index_select(1, each) & (step < self._steps).expand(here.shape).flatten(),
        )
