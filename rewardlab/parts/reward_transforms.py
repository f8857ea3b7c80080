"""What a scheme's option `transform` names: pieces that turn one stream of rewards into another, one after the other.

A transform is written `name` or `name:number:number`, as in `clip:0.5`. What it remembers it saves.

| name | pays for the reward r |
|---|---|
| clip:eta | min(r - eta, 0) |
| delta | r_t - r_{t+1}, the last as it is |
| min_form[:temperature] | r times its softmax share in the episode, softmax of -r / temperature (0.1) |
| par:ref:... | the mean of sigmoid(r - ref) |
| lsc:ref:... | log sigmoid(r - c), c the 85th percentile of a normal distribution with the moments of the refs |
| minmax | (r - least) / (most - least), of all so far |
| meanstd | (r - mean) / std, of all so far |
| renorm | meanstd, times the standard deviation of the episodes' returns of the task |
| milestone | what the episode's running sum gains over the most it has been, and over 0 |
| at_end | the sum of the episode's rewards, on its last step |
| mean_at_end | their mean, on the last step |
| noise:sd | r + sd * N(0, 1) |
| flip:p | on an episode's last step 1 - r with probability p: outcomes of 0 and 1 that are judged wrong |
| linear_bound[:ridge] | r times a weight that falls with how unusual the step's outcome is |

Sources: `maths/reward_transforms.py`; flip: Lv et al. 2025, noisy rewards (arXiv:2505.22653); minmax and meanstd as in
PAR's code, which takes rewards in before it scales them; renorm (PPR) and linear_bound (PrefPaint) are forms of our
own, for the papers' were not found; milestone pays each new best once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from rewardlab.errors import UserError, unknown
from rewardlab.maths import reward_transforms as maths
from rewardlab.networks.flat import encode_flat, flat_size
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.types import BuildContext, Rollout, State, Transitions

_SMALLEST_RANGE = 1e-8  # of minmax


class Transform:
    """Leaves rewards as they are, and remembers nothing.

    Attributes:
        pays_anew: whether `anew` works: what a step is paid depends on nothing that comes before or after it.
        looks_ahead: whether a step is paid by later ones, so that whole episodes are needed.
        within_episodes: whether equal episodes are paid alike.
        undiscounted: whether only an undiscounted sum means something.
    """

    pays_anew: bool = True
    looks_ahead: bool = False
    within_episodes: bool = True
    undiscounted: bool = False

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        """float32 [T, N] for rewards [T, N]; called once for each rollout."""
        return self.each(rewards)

    def anew(self, rewards: torch.Tensor, steps: Transitions) -> torch.Tensor:
        """The same of replayed steps, [B], with what is known now; nothing is remembered."""
        return self.each(rewards)

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        """Of rewards [...], where only the reward itself counts."""
        raise NotImplementedError

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        """Go on from what `state_dict` returned."""


class _Clip(Transform):
    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._eta = numbers[0]

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        return maths.clipped(rewards, self._eta)


class _Preference(Transform):
    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._references = torch.tensor(numbers, device=context.device)

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        return maths.preference(rewards, self._references)


class _Centred(_Preference):
    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        return maths.log_sigmoid_centred(rewards, self._references)


class _Ahead(Transform):
    """An episode that the rollout cuts is transformed as far as it goes."""

    pays_anew, looks_ahead, undiscounted = False, True, True


class _Delta(_Ahead):
    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        pass

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return maths.delta(rewards, rollout.done)


class _MinForm(_Ahead):
    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._temperature = numbers[0] if numbers else 0.1
        if self._temperature <= 0:
            raise ValueError(f"the temperature {self._temperature:g} must be greater than 0")

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return maths.min_form(rewards, rollout.done, self._temperature)


class _MeanStd(Transform):
    within_episodes = False

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._moments = RunningMoments()

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        self._moments.add(rewards.flatten())
        return self.each(rewards)

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        mean, std = (moment.to(rewards.device) for moment in (self._moments.mean, self._moments.std))
        return (rewards - mean) / std

    def state_dict(self) -> State:
        return {"moments": self._moments.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._moments.load_state_dict(state["moments"])


class _Renorm(_MeanStd):
    """Nothing before an episode has ended: no outcome is known to be more or less than another."""

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        super().__init__(numbers, context)
        self._outcomes = RunningMoments()
        self._returns = torch.zeros(2, context.num_envs, device=context.device)  # their sums and counts so far

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        task, done = rollout.task_reward, rollout.done
        returns, _, *open_ones = maths.paid_at(task, rollout.first, done, *self._returns)
        self._returns = torch.stack(open_ones)
        if bool(done.any()):
            self._outcomes.add(returns[done])
        return super().pay(rewards, rollout)

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        if not self._outcomes.count:
            return torch.zeros_like(rewards)
        return super().each(rewards) * self._outcomes.std.to(rewards.device)

    def state_dict(self) -> State:
        return super().state_dict() | {"outcomes": self._outcomes.state_dict(), "returns": self._returns.clone()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._outcomes.load_state_dict(state["outcomes"])
        self._returns = state["returns"].to(self._returns.device)


class _MinMax(Transform):
    within_episodes = False

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._least, self._most = torch.inf, -torch.inf

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        self._least, self._most = min(self._least, float(rewards.min())), max(self._most, float(rewards.max()))
        return self.each(rewards)

    def each(self, rewards: torch.Tensor) -> torch.Tensor:
        if self._most < self._least:  # nothing was paid yet
            return torch.zeros_like(rewards)
        return (rewards - self._least) / max(self._most - self._least, _SMALLEST_RANGE)

    def state_dict(self) -> State:
        return {"least": self._least, "most": self._most}

    def load_state_dict(self, state: State) -> None:
        self._least, self._most = state["least"], state["most"]


class _Remembering(Transform):
    """Keeps two numbers of each environment's episode."""

    pays_anew = False

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._kept = torch.zeros(2, context.num_envs, device=context.device)

    def state_dict(self) -> State:
        return {"kept": self._kept.clone()}

    def load_state_dict(self, state: State) -> None:
        self._kept = state["kept"].to(self._kept.device)


class _Milestone(_Remembering):
    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        paid, *kept = maths.milestones(rewards, rollout.first, *self._kept)
        self._kept = torch.stack(kept)
        return paid


class AtEnd(_Remembering):
    """See the table above; where it is paid earlier too, `ends` says."""

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        return self.held(rewards, rollout, rollout.done)[0]

    def held(self, rewards: torch.Tensor, rollout: Rollout, ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What was held back until `ends`, bool [T, N], and of how many steps it is, [T, N] each."""
        paid, counts, *kept = maths.paid_at(rewards, rollout.first, ends, *self._kept)
        self._kept = torch.stack(kept)
        return paid, counts


class MeanAtEnd(AtEnd):
    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        paid, counts = self.held(rewards, rollout, rollout.done)
        return paid / counts.clamp(min=1.0)


class _Noise(Transform):
    pays_anew, within_episodes = False, False

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        self._amount, self._generator = numbers[0], context.generator

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        drawn = torch.randn(rewards.shape, generator=self._generator)
        return rewards + self._amount * drawn.to(rewards.device)


class _Flip(_Noise):
    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        super().__init__(numbers, context)
        if not 0 <= self._amount <= 1:
            raise ValueError(f"{self._amount:g} is no probability")

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        wrong = torch.rand(rewards.shape, generator=self._generator).to(rewards.device) < self._amount
        return torch.where(rollout.done & wrong, 1.0 - rewards, rewards)


class _LinearBound(Transform):
    """The weight is 1 / (1 + sqrt(f' V^-1 f)), scaled to the mean 1 over the steps that are paid together.

    f is the step's true next observation, flattened, and a 1; V is `ridge` I and the sum of f f' over all rollouts
    before.
    """

    within_episodes = False

    def __init__(self, numbers: Sequence[float], context: BuildContext) -> None:
        ridge = numbers[0] if numbers else 1.0
        if ridge <= 0:
            raise ValueError(f"the ridge {ridge:g} must be greater than 0")
        self._obs = context.spec.obs
        self._seen = ridge * torch.eye(1 + flat_size(self._obs), dtype=torch.float64)

    def pay(self, rewards: torch.Tensor, rollout: Rollout) -> torch.Tensor:
        outcomes = self._features({name: entry.flatten(0, 1) for name, entry in rollout.next_obs.items()})
        weights = self._weights(outcomes).view_as(rewards)
        self._seen = self._seen + outcomes.T @ outcomes
        return rewards * weights.to(rewards)

    def anew(self, rewards: torch.Tensor, steps: Transitions) -> torch.Tensor:
        return rewards * self._weights(self._features(steps.next_obs)).to(rewards)

    def _features(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        flat = encode_flat(obs, self._obs).double().cpu()
        return torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64)], dim=1)

    def _weights(self, outcomes: torch.Tensor) -> torch.Tensor:
        far = (outcomes * torch.linalg.solve(self._seen, outcomes.T).T).sum(dim=1).clamp(min=0.0).sqrt()
        weights: torch.Tensor = 1.0 / (1.0 + far)
        return weights / weights.mean()

    def state_dict(self) -> State:
        return {"seen": self._seen.clone()}

    def load_state_dict(self, state: State) -> None:
        self._seen = state["seen"].cpu()


# name -> what makes it, and the fewest and the most numbers that it takes
_KNOWN: dict[str, tuple[Callable[[Sequence[float], BuildContext], Transform], int, int]] = {
    "clip": (_Clip, 1, 1),
    "delta": (_Delta, 0, 0),
    "min_form": (_MinForm, 0, 1),
    "par": (_Preference, 1, 99),
    "lsc": (_Centred, 1, 99),
    "minmax": (_MinMax, 0, 0),
    "meanstd": (_MeanStd, 0, 0),
    "renorm": (_Renorm, 0, 0),
    "milestone": (_Milestone, 0, 0),
    "at_end": (AtEnd, 0, 0),
    "mean_at_end": (MeanAtEnd, 0, 0),
    "noise": (_Noise, 1, 1),
    "flip": (_Flip, 1, 1),
    "linear_bound": (_LinearBound, 0, 1),
}


def made(text: str, context: BuildContext, key: str) -> Transform:
    """The transform that a text names.

    Args:
        key: the option that has the text, for what is refused.

    Raises:
        UserError: there is no such transform, or it takes other numbers.
    """
    name, *given = text.split(":")
    if name not in _KNOWN:
        raise unknown(key, name, _KNOWN, "transform")
    make, fewest, most = _KNOWN[name]
    try:
        numbers = [float(number) for number in given]
    except ValueError:
        raise UserError(f"{key}={text}: what stands after {name} must be numbers, as in clip:0.5") from None
    if not all(abs(number) < torch.inf for number in numbers):
        raise UserError(f"{key}={text}: the numbers must be finite")
    if not fewest <= len(numbers) <= most:
        takes = f"{fewest}" if fewest == most else f"{fewest} or more"
        raise UserError(f"{key}={text}: {name} takes {takes} numbers, as in {name}:0.5")
    try:
        return make(numbers, context)
    except ValueError as error:
        raise UserError(f"{key}={text}: {error}") from None
