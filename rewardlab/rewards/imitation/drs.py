"""DrS: learns a dense reward from the stages that episodes reach, which can be used again on other levels.

Paper: Mu et al. 2024, DrS: learning reusable dense rewards for multi-stage tasks
Assumes: privileged where a stage reads facts of the full state; demos where there are some

A task has n stages. `stages` says of each but the last when it is reached, in order; the last is success. A state's
stage k is the highest one reached. A discriminator for each k < n tells states of episodes that get beyond stage k from
states of those that do not. A step that leads to a state of stage k is paid

    (3 k + tanh D_k(s')) / (3 n) - 2,

where the tanh is 0 at success, and for a discriminator that has not learned. So the reward grows with the stage,
whatever the networks say. A stage may be lost again: an episode counts up to the last step in its best stage. A
discriminator is left as it is once more than 95 % of the latest 100 episodes get beyond its stage. One that has no
episodes on one of its sides does not learn: where all get beyond a stage, there is nothing to tell apart.

`frozen=RUN` takes the discriminators of another run's folder, on levels of the same view: they learn no more.

The authors' networks, of one layer of 32, have sigmoids where these have tanh; theirs learn from batches of 1024 and
1024, beside SAC with the discount 0.8. In their tasks only success terminates; elsewhere, as at lava, to end is worth
more than to go on. The task's reward counts nothing by default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from rewardlab.datasets.learned import learned_reward
from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.expression import Expression
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, number
from rewardlab.parts.models.stage_discriminators import StageDiscriminators
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Episode, Metrics, Rollout, TensorObs, Transitions

VERSION = 2
_STAGE = "stage"  # beside the observations of episodes
_LEAST = -2.0


@dataclass
class Config(DemosOptions, BonusConfig):
    coef: float = option(0.01, "weight of what is paid: every step is, so that returns are large", minimum=0)
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    stages: list[str] = option(
        ["carrying > 0", "doors_open > 0"], "when each stage before success is reached: expressions over vector, facts"
    )
    frozen: str | None = option(
        None, "the folder of a run whose discriminators are used as they are; null: they learn here", dataset=True
    )
    memory: int = option(20_000, "steps of episodes that are kept for each stage", above=0)
    samples_per_step: float = option(
        0.125, "how many of each side a discriminator learns from, for each step played", above=0
    )
    batch_size: int = option(256, "steps of each side in a gradient step", above=0)
    hidden: int = option(32, "width of a discriminator's one layer", above=0)
    learning_rate: float = option(3e-4, "Adam's step size", above=0)

    def privileged(self) -> tuple[str, ...]:
        names = dict.fromkeys(name for text in self.stages for name in Expression(text).names)
        return tuple(name for name in names if name not in OBSERVED)

    def validate(self) -> None:
        for text in self.stages:
            try:
                names = Expression(text).names
            except ValueError as error:
                raise ValueError(f"stages: {error}") from None
            if not names:
                raise ValueError(f"stages: {text!r} is the same in every state; name a fact, as in 'doors_open > 0'")
        if self.frozen is not None and self.demos is not None:
            raise ValueError(f"frozen={self.frozen}: learns nothing, so that demos={self.demos} is for nothing")


class Scheme(BonusScheme):
    """Episodes that end in a rollout are learned from after it is paid."""

    metrics = ("loss/drs_discriminators", "explore/drs_stage", "explore/drs_learned", "explore/drs_done")
    models_task = True
    pays_anew = True
    whole_episodes = True
    stateful = ("judges", "episodes")

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: a stage is none here, demonstrations do not fit, or the other run's discriminators do not.
        """
        self.stages = [Expression(text) for text in config.stages]
        self.reads = tuple(dict.fromkeys(name for stage in self.stages for name in stage.names if name in OBSERVED))
        super().__init__(config, context)
        for stage in self.stages:
            check_on_zeros(stage, context.spec, "reward.stages")
        self.config, self._n = config, len(self.stages) + 1
        self._file = None if config.demos is None else config.demonstrations("reward", context.spec)
        if self._file is not None:
            self.assumes |= {"demos"}
        self.judges = StageDiscriminators(context, self._n, config.hidden, config.learning_rate, config.memory)
        if config.frozen is not None:
            self._freeze(config.frozen)
        self.episodes = EpisodeAssembler(context.num_envs)
        self._ended: list[Episode] = []
        self._stage = 0.0

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        stage = self._stages({**rollout.next_obs, **rollout.privileged}, rollout.success)
        self._stage = float(stage.float().mean())
        if self.config.frozen is None:
            reached = rollout.next_obs | {_STAGE: stage}
            self._ended = self.episodes.add(replace(rollout, obs=reached, next_obs={}))
        found = distinct_of(rollout)
        return self._paid(spread(self.judges.told(found.rows), found.there), stage)

    @torch.no_grad()
    def rewards_of(self, steps: Transitions) -> dict[str, torch.Tensor]:
        """A replayed step was a success where the task ended and paid."""
        extra = steps.extra
        success = torch.zeros(len(steps.action), dtype=torch.bool, device=steps.action.device)
        if {"discount", "task_reward"} <= extra.keys():
            success = (extra["discount"] == 0) & (extra["task_reward"] > 0)
        facts = {name: extra[f"{FACT}{name}"] for name in self.privileged}
        stage = self._stages({**steps.next_obs, **facts}, success)
        return {"intrinsic": self._paid(self.judges.told(steps.next_obs), stage)}

    def update(self, rollout: Rollout) -> Metrics:
        config, told = self.config, {"explore/drs_stage": self._stage}
        if config.frozen is not None:
            return told | {"explore/drs_learned": float(sum(self.judges.trained))}
        self._read_demonstrations()
        for episode in self._ended:
            stage = episode.obs[_STAGE]
            self.judges.keep({name: episode.obs[name] for name in self.context.spec.obs}, stage)
            self.judges.count(int(stage.max()))
        count = rollout.task_reward.numel()
        updates = max(1, round(count * config.samples_per_step / config.batch_size))
        loss = self.judges.learn(updates, config.batch_size)
        if loss is not None:
            told["loss/drs_discriminators"] = loss
        counts = {"explore/drs_learned": self.judges.trained, "explore/drs_done": self.judges.done}
        return told | {name: float(sum(which)) for name, which in counts.items()}

    def _stages(self, values: TensorObs, success: torch.Tensor) -> torch.Tensor:
        """The highest stage that was reached, int64 of the shape of `success`: 0 for none, n for success."""
        found = torch.zeros_like(success, dtype=torch.int64)
        for k, stage in enumerate(self.stages, start=1):
            reached = number(stage, values, tuple(success.shape), "reward.stages", self.context.spec)
            found = torch.where(reached != 0, k, found)
        return torch.where(success, self._n, found)

    def _paid(self, logits: torch.Tensor, stage: torch.Tensor) -> torch.Tensor:
        """float32 [...], from the logits of all discriminators, [..., n + 1], and stages, int64 [...]."""
        own = logits.gather(-1, stage.unsqueeze(-1)).squeeze(-1)
        return (3.0 * stage + own.tanh()) / (3.0 * self._n) + _LEAST

    def _read_demonstrations(self) -> None:
        """Put them among the successes, whole, before anything else."""
        if self._file is None or any(self.judges.counts):
            return
        for shown in self._file.read().shown:
            obs = {name: entry[1:].to(self.context.device) for name, entry in shown.items()}
            length = len(next(iter(obs.values())))
            self.judges.keep(obs, torch.full((length,), self._n, device=self.context.device))

    def _freeze(self, path: str) -> None:
        state, where = learned_reward("reward.frozen", path), f"reward.frozen={path}"
        judges = state.get("judges")
        if not isinstance(judges, dict) or "trained" not in judges:
            raise UserError(f"{where}: its reward is not drs")
        if len(judges["trained"]) != self._n:
            raise UserError(f"{where}: has {len(judges['trained'])} stages, success included, and here are {self._n}")
        if not any(judges["trained"]):
            raise UserError(f"{where}: none of its discriminators has learned yet")
        try:
            self.judges.load_judges(judges)
        except (KeyError, RuntimeError):
            raise UserError(f"{where}: its discriminators are of other observations or another reward.hidden") from None
