"""Mix: several schemes at once, each with a weight.

Composed in yaml or on the command line: `reward=mix +reward@reward.schemes.icm=icm` adds one,
`reward@reward.schemes.count=icm` puts icm in the place of count, `reward.schemes.rnd=null` leaves one out,
`reward.schemes.rnd.epochs=2` sets an option of one, `reward.weights.count=0.5` a weight. A key may be any name, so that
one scheme can be there twice.

Each bonus stream is weighed by its own coef times its scheme's weight. The task's stream is there once, weighed by
`task_coef` of the mix: those of the schemes are not used. Streams and metrics carry the scheme's key in their name.
A scheme's bonus on advantages or value targets, and its losses for the agent, are multiplied by its weight.

`reward.combine` makes one stream, `combined`, of all streams but the task's, or of those that `reward.parts` names:
see rewardlab/rewards/combining.py for the rules. The others stay.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from rewardlab import discovery, seeding
from rewardlab.errors import UserError
from rewardlab.parts.random_state import load_random_state, random_state
from rewardlab.rewards.base import BaseScheme
from rewardlab.rewards.combining import (
    COMBINED,
    LAGRANGIAN,
    ONE_STREAM,
    RULES,
    SUM,
    WITH_SHARE,
    Combination,
    Multiplier,
)
from rewardlab.rewards.refining import Refiner, refine_option
from rewardlab.rewards.transformed import transformed
from rewardlab.schemas import RewardConfig, RootConfig, option
from rewardlab.types import (
    AuxLoss,
    BuildContext,
    Judgement,
    LogProb,
    Metrics,
    Rollout,
    Signals,
    State,
    StreamSpec,
    TensorObs,
    Transitions,
)

VERSION = 1
_SHARE = "combine/constraint_share"


@dataclass
class Config(RewardConfig):
    schemes: dict[str, Any] = option({}, "the schemes, by a name that is free to choose; null: none")
    weights: dict[str, float] = option({}, "a weight for each; 1 where there is none", any_key=True)
    task_coef: float = option(1.0, "weight of the task's reward beside them", minimum=0)
    combine: str = option(SUM, "how streams become one; sum: they stay apart", choices=RULES, neutral=SUM)
    parts: list[str] = option([], "combine: names of its streams, in the rule's order; none: all", neutral=[])
    coef: float = option(1.0, "combine: weight of the stream that they become", minimum=0, neutral=1.0)
    share: float = option(0.5, f"combine={','.join(WITH_SHARE)}: of the first part", above=0, maximum=1, neutral=0.5)
    refine_every: int = refine_option()
    thresholds: list[float] = option(
        [], "combine=gated,lagrangian: what parts must reach, or the constraint's return", neutral=[]
    )

    def chosen(self) -> dict[str, Any]:
        """The schemes that there are."""
        return {key: node for key, node in self.schemes.items() if node is not None}

    def privileged(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(fact for scheme in self.chosen().values() for fact in scheme.privileged()))

    def settle(self, setting: RootConfig) -> None:
        for scheme in self.chosen().values():
            scheme.settle(setting)

    def validate(self) -> None:
        if not self.chosen():
            raise ValueError("schemes={}: needs at least one, as in +reward@reward.schemes.rnd=rnd")
        for key, node in self.chosen().items():
            if not isinstance(node, RewardConfig):
                raise ValueError(f"schemes.{key}={node}: add a scheme as +reward@reward.schemes.{key}=NAME")
        for key, weight in self.weights.items():
            if key not in self.schemes:
                raise ValueError(f"weights.{key}={weight}: no such scheme (allowed: {', '.join(self.schemes)})")
            if weight < 0:
                raise ValueError(f"weights.{key}={weight}: must be at least 0")
        for key, plain, rules in (
            ("refine_every", 0, (SUM,)),
            ("parts", [], ONE_STREAM),
            ("coef", 1.0, ONE_STREAM),
            ("share", 0.5, WITH_SHARE),
            ("thresholds", [], ("gated", LAGRANGIAN)),
        ):
            if getattr(self, key) != plain and self.combine not in rules:
                raise ValueError(f"{key}={getattr(self, key)}: only with combine={','.join(rules)}")


class Scheme(BaseScheme):
    """Hands every call on to its schemes, which know nothing of one another."""

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self._weights = config.weights
        self._contexts = {key: _own_context(context, key) for key in config.chosen()}
        self.schemes: dict[str, BaseScheme] = {
            key: transformed(
                discovery.load("reward", node.plugin).Scheme(node, self._contexts[key]), node, self._contexts[key]
            )
            for key, node in config.chosen().items()
        }
        self.streams = (StreamSpec("task", context.gamma, config.task_coef),)
        self.pays_anew = True
        self._names: dict[str, dict[str, str]] = {}  # scheme -> its stream -> that stream here
        for key, scheme in self.schemes.items():
            for refused, why in (
                (scheme.replaces_task, "changes the task's own reward"),
                (scheme.relabels, "relabels what is replayed"),
                (scheme.waits_for_ends, "pays when episodes have ended"),
                (scheme.mixes_advantages, "mixes advantages itself"),
                (scheme.conditioner is not None, "shows the agent something of its own"),
            ):
                if refused:
                    raise UserError(f"reward.schemes.{key}: {why} and can't be mixed; use it alone")
            bonuses = [spec for spec in scheme.streams if spec.name != "task"]
            self._names[key] = {s.name: key if len(bonuses) == 1 else f"{key}.{s.name}" for s in bonuses}
            weight = config.weights.get(key, 1.0)
            self.streams += tuple(replace(s, name=self._names[key][s.name], coef=s.coef * weight) for s in bonuses)
            self.assumes |= scheme.assumes
            self.code += scheme.code
            self.exact &= scheme.exact
            self.reads_policy |= scheme.reads_policy
            self.asks_policy |= scheme.asks_policy
            self.pays_anew &= scheme.pays_anew or not bonuses
            self.looks_ahead |= scheme.looks_ahead
            self.keeps |= scheme.keeps
            self.metrics += tuple(_renamed(name, key) for name in scheme.metrics)
            self.warmup_steps = max(self.warmup_steps, scheme.warmup_steps)
            self.told_apart += scheme.told_apart
        self._refiner: Refiner | None = None
        if config.refine_every:
            self._refiner = Refiner(self.streams[1:], config.refine_every, context)
            self.metrics += self._refiner.metrics
        self._combination = self._combined(config)
        self._multiplier: Multiplier | None = None
        if config.combine == LAGRANGIAN:
            self._multiplier = Multiplier(self.streams[1:], config.thresholds, context)
            self.mixes_advantages = True
            self.metrics += (_SHARE,)

    def _combined(self, config: Config) -> Combination | None:
        """What makes one stream of several, which it takes the place of."""
        if config.combine not in ONE_STREAM:
            return None
        task, *apart = self.streams
        made = Combination(
            config.combine, apart, config.parts, config.coef, config.share, config.thresholds, self.context
        )
        self.streams = (task, *(spec for spec in apart if spec.name not in made.parts), made.spec)
        self.pays_anew &= made.pays_anew
        return made

    def clears(self, stream: str) -> bool:
        if self._combination is not None and stream == COMBINED:
            return all(self._clears_apart(part) for part in self._combination.parts)
        return self._refiner is None and self._clears_apart(stream)

    def _clears_apart(self, stream: str) -> bool:
        return any(
            scheme.clears(original)
            for key, scheme in self.schemes.items()
            for original, name in self._names[key].items()
            if name == stream
        )

    def learned_streams(self, alone: bool = False) -> tuple[str, ...]:
        learned = {
            self._names[key][original] for key, each in self.schemes.items() for original in each.learned_streams(alone)
        }
        rule = self._combination
        if rule is not None and learned >= set(rule.parts) and (rule.pays_anew or not alone):
            learned.add(COMBINED)
        return tuple(spec.name for spec in self.streams if spec.name in learned)

    def warm_up(self, rollout: Rollout) -> None:
        for scheme in self.schemes.values():
            if scheme.warmup_steps:
                scheme.warm_up(rollout)

    def compute(self, rollout: Rollout) -> Signals:
        mixed = Signals({"task": rollout.task_reward})
        for key, scheme in self.schemes.items():
            signals, weight = scheme.compute(rollout), self._weights.get(key, 1.0)
            mixed.streams |= {name: signals.streams[original] for original, name in self._names[key].items()}
            mixed.advantage_bonus = _added(mixed.advantage_bonus, signals.advantage_bonus, weight)
            mixed.value_target_bonus = _added(mixed.value_target_bonus, signals.value_target_bonus, weight)
        if self._refiner is not None:
            mixed.streams |= self._refiner.paid(mixed.streams, rollout)
        if self._combination is not None:
            combined = self._combination.of(mixed.streams, rollout)
            mixed.streams = self._left(mixed.streams) | {COMBINED: combined}
        if self._multiplier is not None:
            mixed.mixture = self._multiplier.mixture(mixed.streams, rollout)
        return mixed

    def kept_of(self, rollout: Rollout) -> TensorObs:
        return {
            f"{key}:{name}": column
            for key, scheme in self.schemes.items()
            for name, column in scheme.kept_of(rollout).items()
        }

    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        paid: dict[str, torch.Tensor] = {}
        for key, scheme in self.schemes.items():
            own = {n.removeprefix(f"{key}:"): column for n, column in steps.extra.items() if n.startswith(f"{key}:")}
            given = scheme.rewards_of(replace(steps, extra=steps.extra | own) if own else steps)
            paid |= {name: given[original] for original, name in self._names[key].items()}
        if self._refiner is not None:
            paid = self._refiner.anew(paid)
        if self._combination is not None:
            paid = self._left(paid) | {COMBINED: self._combination.anew(paid)}
        return paid

    def _left(self, streams: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Those that are not combined."""
        assert self._combination is not None
        return {name: paid for name, paid in streams.items() if name not in self._combination.parts}

    def update(self, rollout: Rollout) -> Metrics:
        metrics: Metrics = {}
        for key, scheme in self.schemes.items():
            metrics |= {_renamed(name, key): value for name, value in scheme.update(rollout).items()}
        if self._refiner is not None:
            metrics |= self._refiner.refit()
        return metrics if self._multiplier is None else metrics | {_SHARE: self._multiplier.share}

    def annotations(self) -> str:
        tables = [text for scheme in self.schemes.values() if (text := scheme.annotations())]
        return "".join([*tables[:1], *(text.partition("\n")[2] for text in tables[1:])])

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        return tuple(
            _Weighted(loss, f"{key}.{loss.name}", self._weights.get(key, 1.0))
            for key, scheme in self.schemes.items()
            for loss in scheme.aux_losses()
        )

    def take_policy(self, log_prob: LogProb) -> None:
        for scheme in self.schemes.values():
            if scheme.asks_policy:
                scheme.take_policy(log_prob)

    def state_dict(self) -> State:
        state: State = {
            key: {"scheme": scheme.state_dict(), "random": random_state(self._contexts[key])}
            for key, scheme in self.schemes.items()
        }
        rule = self._combination or self._multiplier or self._refiner
        return state if rule is None else {"schemes": state, COMBINED: rule.state_dict()}

    def load_state_dict(self, state: State) -> None:
        rule = self._combination or self._multiplier or self._refiner
        if rule is not None:
            rule.load_state_dict(state[COMBINED])
            state = state["schemes"]
        for key, scheme in self.schemes.items():
            scheme.load_state_dict(state[key]["scheme"])
            load_random_state(self._contexts[key], state[key]["random"])


class _Weighted:
    """A scheme's loss times its weight."""

    def __init__(self, loss: AuxLoss, name: str, weight: float) -> None:
        self._loss, self.name, self._weight = loss, name, weight
        self.batches = loss.batches

    def loss(self, batch: Transitions, judgement: Judgement) -> torch.Tensor:
        return self._weight * self._loss.loss(batch, judgement)


def _added(total: torch.Tensor | None, bonus: torch.Tensor | None, weight: float) -> torch.Tensor | None:
    if bonus is None:
        return total
    return weight * bonus if total is None else total + weight * bonus


def _own_context(context: BuildContext, key: str) -> BuildContext:
    """The same with random generators of its own, which depend on the run's seed and the key alone."""
    seed = context.generator.initial_seed()
    return replace(context, generator=seeding.torch_rng(seed, key), numpy_rng=seeding.numpy_rng(seed, key))


def _renamed(metric: str, key: str) -> str:
    """`loss/rnd_predictor` of the scheme `far` -> `loss/far.rnd_predictor`."""
    folder, slash, name = metric.rpartition("/")
    return f"{folder}{slash}{key}.{name}"
