"""A policy and its value heads over one encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.maths import distributions
from rewardlab.networks.box_policy import BoxPolicy
from rewardlab.networks.encoder import TANH_GAIN, Encoder
from rewardlab.networks.init import mlp
from rewardlab.networks.memory import Memory
from rewardlab.networks.reader import Reader
from rewardlab.networks.standardised import Standardised
from rewardlab.types import CANDIDATES, MASK, ActionSpec, ObsSpec, TensorObs


class ActorCritic(Reader):
    """encoder -> shared layers -> (GRU) -> layers of the policy | layers of the critic, one output per stream.

    Where observations describe each action, `CANDIDATES`, the policy reads one description beside the features and says
    one logit, by the same weights for all; the critic does not read them.

    Args:
        obs_spec, action_spec: as in `EnvSpec`.
        streams: number S of value heads.
        network: `mlp`, `cnn` or `impala`; encoding: `raw` or `onehot`. See `Encoder`.
        shared: widths of tanh layers that policy and critic share.
        hidden: widths of the tanh layers that each has of its own.
        memory_size: width of the GRU, 0 for none.
        standardise: whether floats are brought to one scale, see `Standardised`.

    Attributes:
        box: where actions are a box, what makes a policy over it of the outputs; else None.
        plain: whether observations neither say which actions are allowed nor describe each of them.
        standardised: the scale of what is observed, where that is asked for; else None.
    """

    def __init__(
        self,
        obs_spec: Mapping[str, ObsSpec],
        action_spec: ActionSpec,
        streams: int,
        generator: torch.Generator,
        *,
        network: str,
        encoding: str,
        shared: Sequence[int],
        hidden: Sequence[int],
        memory_size: int = 0,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        candidates = obs_spec.get(CANDIDATES)
        if candidates is not None and candidates.shape[0] != action_spec.n:
            raise UserError(
                f"observation entry {CANDIDATES}: describes {candidates.shape[0]} actions of {action_spec.n}"
            )
        obs_spec = {name: spec for name, spec in obs_spec.items() if name != CANDIDATES}
        self.encoder = Encoder(obs_spec, network, encoding, generator)
        widths = (self.encoder.size, *shared)
        self.shared = mlp(widths, generator, activation="tanh", gain=TANH_GAIN, activate_last=True)
        self.memory = Memory(widths[-1], memory_size, generator) if memory_size else None
        features = memory_size or widths[-1]
        outputs = action_spec.n or math.prod(action_spec.shape)
        # A nearly uniform first policy (last gain 0.01) explores; see Andrychowicz et al. 2021, section 3.2.
        wide, each = (0, outputs) if candidates is None else (candidates.shape[1], 1)
        self.policy = _head(features + wide, hidden, each, generator, 0.01)
        # Nearly no first values: with the gain 1 their noise, once normalised, moves the policy before any reward does.
        self.critic = _head(features, hidden, streams, generator, 0.01)
        self.box = None if action_spec.discrete else BoxPolicy(action_spec)
        self.plain = MASK not in obs_spec and candidates is None
        self.standardised = Standardised(obs_spec) if standardise else None

    def forward(
        self, obs: TensorObs, state: torch.Tensor | None = None, first: torch.Tensor | None = None
    ) -> tuple[TensorObs, torch.Tensor]:
        """The distribution's parameters [..., A] and values [..., S]; arguments as of `features`."""
        features, _ = self.features(obs, state, first)
        return self.distribution(features, obs), self.values(features)

    def features(
        self, obs: TensorObs, state: torch.Tensor | None = None, first: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What policy and critic read, [..., F], and the next state.

        Without memory each entry of `obs`, which is prepared, is [B, ...]; with memory it is [T, N, ...], `state`
        [N, size] is from before step 0 and `first` bool [T, N] marks where it starts anew.
        """
        if self.memory is None:
            return self.shared(self.encoder(obs)), None
        assert state is not None
        assert first is not None
        flat = self.shared(self.encoder({name: entry.flatten(0, 1) for name, entry in obs.items()}))
        features, state = self.memory(flat.unflatten(0, first.shape), state, first)
        return features, state

    def distribution(self, features: torch.Tensor, obs: TensorObs) -> TensorObs:
        """The policy's parameters, each [..., A]; of `obs`, prepared or not, `MASK` and `CANDIDATES` are read."""
        if CANDIDATES in obs:
            every = features.unsqueeze(-2).expand(*obs[CANDIDATES].shape[:-1], -1)
            out = self.policy(torch.cat([obs[CANDIDATES], every], dim=-1)).squeeze(-1)
        else:
            out = self.policy(features)
        found: TensorObs = {"logits": distributions.allowed(out, obs.get(MASK))} if self.box is None else self.box(out)
        return found

    def stepped(self) -> None:
        """After a gradient step: what must stay within bounds is put back."""
        if self.box is not None:
            self.box.project()

    def observe(self, obs: TensorObs) -> None:
        """Take observations [B, *shape] into the scale of later ones."""
        if self.standardised is not None:
            self.standardised.add(obs)

    def values(self, features: torch.Tensor) -> torch.Tensor:
        """[..., S], a value for each stream."""
        values: torch.Tensor = self.critic(features)
        return values


def _head(inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator, gain: float) -> nn.Sequential:
    return mlp((inputs, *hidden, outputs), generator, activation="tanh", gain=TANH_GAIN, last_gain=gain)
