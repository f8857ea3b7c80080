"""Terms: named expressions over what is known of a step, each a reward stream with a weight of its own.

Assumes: privileged where a term reads facts of the full state

    reward=terms reward.terms.near=-distance reward.weights.near=0.1 reward.terms.progress=null

A term may read:

| name | stands for |
|---|---|
| a full-state fact, `vector` | the true successor's: where the action led |
| was_NAME | the same of the state before the action |
| start_NAME | the same of the state in which the episode began |
| task, success, terminated | the task's reward; 1 on the last step of a solved episode; 1 where the task ended |
| action | the action that was executed: a number, or a box's as in action[0] |

See rewardlab/maths/expression.py for what an expression may hold. `reward.ends.NAME` is an expression too: what the
term gave is held back and paid where that is not 0, and at the episode's end. So a segment of the episode, as a
sentence of a text, is paid as a whole (Wu et al. 2023, Fine-grained human feedback, arXiv:2306.01693). What an agent on
replay is paid anew reads neither was_ nor start_, success, terminated or ends: these are no part of a replayed step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from rewardlab.maths.boxes import executed
from rewardlab.maths.expression import Expression
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, fact_shape, number
from rewardlab.parts.reward_transforms import AtEnd
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BaseScheme
from rewardlab.rewards.refining import Refiner, refine_option
from rewardlab.schemas import RewardConfig, option
from rewardlab.types import BuildContext, Metrics, Rollout, Signals, State, StreamSpec, TensorObs, Transitions

VERSION = 1
_BEFORE, _START = "was_", "start_"
_OF_STEP = ("task", "success", "terminated", "action")
_REPLAYED = ("task", "action")  # those that a replayed step has too
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass
class Config(RewardConfig):
    terms: dict[str, str | None] = option({}, "expressions, by names that are free to choose; null: none", any_key=True)
    weights: dict[str, float] = option({}, "a weight for each; 1 where there is none", any_key=True)
    ends: dict[str, str] = option({}, "where what a term gave so far is paid: an expression", any_key=True)
    task_coef: float = option(1.0, "weight of the task's reward beside them", minimum=0)
    gamma: float | None = option(None, "discount of all terms; default: the task's", minimum=0, maximum=1)
    refine_every: int = refine_option()

    def chosen(self) -> dict[str, str]:
        """The terms that there are."""
        return {key: text for key, text in self.terms.items() if text is not None}

    def privileged(self) -> tuple[str, ...]:
        read = [name for text in (*self.chosen().values(), *self.ends.values()) for name in Expression(text).names]
        facts = dict.fromkeys(_base(name) for name in read)
        return tuple(name for name in facts if name not in (*_OF_STEP, *OBSERVED))

    def validate(self) -> None:
        chosen = self.chosen()
        if not chosen:
            raise ValueError("terms={}: needs at least one, as in 'reward.terms.near=-distance'")
        for key in chosen:
            if not _NAME.fullmatch(key) or key == "task":
                raise ValueError(f"terms.{key}: must be a word, other than task")
        for option_, found in (("weights", self.weights), ("ends", self.ends)):
            for key in found:
                if key not in self.terms:
                    raise ValueError(f"{option_}.{key}: no such term (allowed: {', '.join(chosen)})")
        for option_, texts in (("terms", chosen), ("ends", self.ends)):
            for key, text in texts.items():
                try:
                    names = Expression(text).names
                except ValueError as error:
                    raise ValueError(f"{option_}.{key}={text}: {error}") from None
                for name in names:
                    if _base(name) in _OF_STEP and name != _base(name):
                        raise ValueError(f"{option_}.{key}={text}: {name} is not known; facts and vector have that")


class Scheme(BaseScheme):
    """Learns nothing; remembers how episodes began, and what is held back, where that is read."""

    stateful: tuple[str, ...] = ("memory",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        self._terms = {key: Expression(text) for key, text in config.chosen().items()}
        self._ends = {key: Expression(text) for key, text in config.ends.items() if key in self._terms}
        all_read = [name for found in (*self._terms.values(), *self._ends.values()) for name in found.names]
        self._read = tuple(dict.fromkeys(all_read))
        self.reads = tuple(name for name in OBSERVED if name in map(_base, self._read))
        super().__init__(config, context)
        gamma = context.gamma if config.gamma is None else config.gamma
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            *(StreamSpec(key, gamma, config.weights.get(key, 1.0)) for key in self._terms),
        )
        again = (*self.privileged, *OBSERVED, *_REPLAYED)
        self.pays_anew = not self._ends and all(name in again for name in self._read)
        self.episodic_memory = not config.refine_every
        self.memory = _Memory(self._ends, context)
        self.refiner: Refiner | None = None
        if config.refine_every:
            self.refiner = Refiner(self.streams[1:], config.refine_every, context)
            self.metrics, self.stateful = self.refiner.metrics, (*self.stateful, "refiner")
        action = context.spec.action
        self._low, self._high = (torch.tensor(bound, device=context.device) for bound in (action.low, action.high))
        more: dict[str, tuple[int, ...]] = {}
        for name in self._read:
            base = _base(name)
            more[name] = context.spec.obs[base].shape if base in OBSERVED else fact_shape(base, context.spec)
        more |= dict.fromkeys(_OF_STEP, ()) | {"action": action.shape}
        for option_, found in (("terms", self._terms), ("ends", self._ends)):
            for key, expression in found.items():
                check_on_zeros(expression, context.spec, f"reward.{option_}.{key}", more)

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        values = {name: self._value(name, rollout) for name in self._read}
        shape = rollout.task_reward.shape
        signals = Signals({"task": rollout.task_reward})
        for key, expression in self._terms.items():
            paid = number(expression, values, shape, f"reward.terms.{key}", self.context.spec)
            if key in self._ends:
                here = number(self._ends[key], values, shape, f"reward.ends.{key}", self.context.spec) != 0
                paid, _ = self.memory.held[key].held(paid, rollout, here | rollout.done)
            signals.streams[key] = paid.contiguous()
        if self.refiner is not None:
            signals.streams |= self.refiner.paid(signals.streams, rollout)
        return signals

    def update(self, rollout: Rollout) -> Metrics:
        return {} if self.refiner is None else self.refiner.refit()

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        known = steps.next_obs | {"action": self._executed(steps.action)}
        known |= {name: steps.extra[f"{FACT}{name}"] for name in self.privileged}
        if "task" in self._read:
            known["task"] = steps.extra["task_reward"]
        shape = steps.action.shape[:1]
        paid = {
            key: number(expression, known, shape, f"reward.terms.{key}", self.context.spec).contiguous()
            for key, expression in self._terms.items()
        }
        return paid if self.refiner is None else self.refiner.anew(paid)

    def _value(self, name: str, rollout: Rollout) -> torch.Tensor:
        """What a name stands for in each step, [T, N] or [T, N, K]."""
        base = _base(name)
        if base in _OF_STEP:
            return {
                "task": rollout.task_reward,
                "success": rollout.success,
                "terminated": rollout.terminated,
                "action": self._executed(rollout.action),
            }[base]
        before, after = (
            (rollout.obs, rollout.next_obs) if base in OBSERVED else (rollout.current_privileged, rollout.privileged)
        )
        if name == base:
            return after[base]
        return before[base] if name.startswith(_BEFORE) else self.memory.begun(base, before[base], rollout.first)

    def _executed(self, action: torch.Tensor) -> torch.Tensor:
        spec = self.context.spec.action
        return action if spec.discrete else executed(action, self._low, self._high, spec.whole)


class _Memory:
    """What the running episodes began with, and what terms hold back of them.

    Attributes:
        held: for each term that has ends.
    """

    def __init__(self, ends: Iterable[str], context: BuildContext) -> None:
        self.held = {key: AtEnd((), context) for key in ends}
        self._began: TensorObs = {}

    def begun(self, name: str, current: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """What `current` [T, N, ...] was on the first step of each step's episode; `first` [T, N] says where it is."""
        steps = torch.arange(1, len(current) + 1, device=first.device)[:, None]
        latest = (steps * first).cummax(dim=0).values  # row of the latest first step, from 1; 0: before the rollout
        before = self._began.get(name, current[0])
        found = torch.cat([before[None], current])[latest, torch.arange(first.shape[1], device=first.device)]
        self._began[name] = found[-1].clone()
        return found

    def state_dict(self) -> State:
        return {"began": dict(self._began), "held": {key: held.state_dict() for key, held in self.held.items()}}

    def load_state_dict(self, state: State) -> None:
        self._began = dict(state["began"])
        for key, held in self.held.items():
            held.load_state_dict(state["held"][key])


def _base(name: str) -> str:
    """The fact, or whatever, that `was_` or `start_` stands before."""
    return name.removeprefix(_BEFORE).removeprefix(_START)
