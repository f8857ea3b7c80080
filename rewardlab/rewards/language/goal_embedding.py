"""Goal embedding: pays for looking like a goal, in the space of a frozen encoder.

Papers: Rocamonde et al. 2023, Vision-language models are zero-shot reward models for reinforcement learning (VLM-RM,
arXiv:2310.12921); Huang et al. 2024, VLM-RL (arXiv:2412.15544)
Assumes: demos, or llm for goals in words

    rewardlab run env=doorkey env.observation=full reward=goal_embedding reward.encoder=counts reward.demos=DIR
    rewardlab run env=crafter reward=goal_embedding reward.encoder=open_clip reward.file=ViT-B-32.pt \
        "reward.goal=[a person beside a table]" "reward.baseline=[a person in a field]"

s is the unit vector of the image after a step. The goal g and the baseline b are the means of unit vectors: of words,
or of the last and the first observations of demonstrations. With `baseline_demos` the baseline is of others.

form=vlm_rm: 1 - |M (s - g)|^2 / 2, of which alpha forgets what is off the line through g and b. 1 at the goal.
form=contrast: alpha cos(s, g) - (1 - alpha) cos(s, b), the equation of VLM-RL's paper.
form=target: VLM-RL's code. How far s is from b says what speed is wanted; `speed` and `factors` are expressions over
    what is known of the state (`maths/expression.py`), and a step that the task pays below 0 is paid that.

pay=potential pays gamma R(s') - R(s), with R 0 in terminal states. pay=direct pays R, as published, in tasks that go
on: where success ends the episode, one that stays near the goal earns more than one that reaches it. Both papers leave
the task's own reward out: reward.task_coef=0, with pay=direct.

A world whose image shows no pixels is drawn for open_clip as for people, which takes room and time: set num_envs=8.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.maths.distinct import distinct_of, spread, tell_apart
from rewardlab.maths.expression import Expression
from rewardlab.maths.goal_embedding import contrasted, cosine, projected, speed_reward, target_share
from rewardlab.networks.picture import reads_as_picture
from rewardlab.parts.both_ends import over_rows
from rewardlab.parts.expressions import OBSERVED, check_on_zeros, number
from rewardlab.parts.models.frozen_encoders import ENCODERS, CellCounts, FrozenConvolutions, FrozenEncoder, OpenClip
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig, RootConfig, option
from rewardlab.types import BuildContext, EnvSpec, Metrics, Rollout, Signals, State, StreamSpec, TensorObs

VERSION = 1
_METRICS = ("embedding/reward", "embedding/goal", "embedding/baseline")
_WITH_FILE = ("file", "open_clip")


@dataclass
class Config(DemosOptions, RewardConfig):
    coef: float = option(0.1, "weight of what it pays", minimum=0)
    task_coef: float = option(1.0, "weight of the task's reward beside it", minimum=0)
    form: str = option("vlm_rm", "what is paid of s, g and b", choices=("vlm_rm", "contrast", "target"))
    pay: str = option("potential", "how it is paid", choices=("potential", "direct"))
    encoder: str = option("random", "what makes vectors of images", choices=ENCODERS)
    file: str | None = option(None, "weights, of encoder=file and open_clip", dataset=True)
    model: str = option("ViT-B-32", "of encoder=open_clip: which of its models the weights are of")
    goal: list[str] = option([], "the goal in words, several of one meaning; of encoder=open_clip")
    baseline: list[str] = option([], "what is seen without it, in words")
    baseline_demos: str | None = option(
        None, "demonstrations whose observations are the baseline; null: those of the goal", dataset=True
    )
    baseline_at: str = option("first", "which of a demonstration's observations", choices=("first", "last"))
    alpha: float = option(0.5, "vlm_rm: what is forgotten off the line; contrast: weight of g", minimum=0, maximum=1)
    margin: float = option(0.03, "target: difference of cosines at which the wanted speed is 0", above=0)
    speed: str = option("0", "target: an expression for the speed, as in vector[0]")
    top_speed: float = option(25.0, "target: the speed that is wanted far from the baseline", above=0)
    factors: list[str] = option([], "target: expressions x, for each of which the pay is multiplied by max(0, 1 - x)")
    sees: str = option(
        "auto",
        "the image that is observed, or one drawn for people; auto: drawn for open_clip where no pixels are shown",
        choices=("auto", "image", "drawn"),
    )

    def settle(self, setting: RootConfig) -> None:
        if self.sees == "auto":
            self.sees = "drawn" if self.encoder == "open_clip" and setting.env.picture() is None else "image"

    def privileged(self) -> tuple[str, ...]:
        told = [name for text in self.expressions().values() for name in Expression(text).names if name not in OBSERVED]
        return tuple(dict.fromkeys([*((PICTURE,) if self.sees == "drawn" else ()), *told]))

    def expressions(self) -> dict[str, str]:
        """Those of form=target, by what they are called in messages."""
        if self.form != "target":
            return {}
        return {"speed": self.speed} | {f"factors[{at}]": text for at, text in enumerate(self.factors)}

    def validate(self) -> None:
        for name, text in self.expressions().items():
            try:
                Expression(text)
            except ValueError as error:
                raise ValueError(f"{name}={text}: {error}") from None
        if self.form == "target" and self.pay == "potential":
            raise ValueError("pay=potential: form=target pays steps, not states; set reward.pay=direct")
        if self.pay == "potential" and not self.task_coef:
            raise ValueError(
                "task_coef=0: pay=potential adds up to the same whatever is done: nothing is left to learn from;"
                " set reward.pay=direct"
            )
        if (self.encoder in _WITH_FILE) != (self.file is not None):
            needs = (
                "needs its weights: reward.file=FILE" if self.file is None else "reads no file; leave out reward.file"
            )
            raise ValueError(f"encoder={self.encoder}: {needs}")
        if bool(self.goal) != bool(self.baseline):
            lacking = "baseline" if self.goal else "goal"
            raise ValueError(f"{lacking}=[]: goal and baseline go together; give words for both")
        if self.goal and self.encoder != "open_clip":
            raise ValueError(
                f"goal={self.goal}: encoder={self.encoder} reads no words; give pictures by reward.demos=DIR"
            )
        if self.goal and (self.demos is not None or self.baseline_demos is not None):
            raise ValueError("goal: is given in words; leave out demos and baseline_demos")
        if self.sees == "drawn" and self.encoder != "open_clip":
            raise ValueError(
                f"sees=drawn: for encoder=open_clip; encoder={self.encoder} reads the image that is observed"
            )


class Scheme(BaseScheme):
    """Learns nothing; goal and baseline are looked at when it pays first."""

    metrics = _METRICS
    stateful = ("encoder",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: nothing says what the goal is, or the world shows nothing that the encoder reads.
        """
        self.reads = () if config.sees == "drawn" else ("image",)
        super().__init__(config, context)
        self.config, spec = config, context.spec
        if not config.goal and (config.demos is None or config.sees == "drawn"):
            pictures = "reward.demos=DIR, as rewardlab demos records"
            words = "in words, by reward.goal and reward.baseline"
            needed = words if config.sees == "drawn" else f"{pictures}, or {words}" if config.file else pictures
            raise UserError(f"reward={config.name or config.plugin}: needs a goal: {needed}")
        self._files = _files(config, spec)
        self.assumes |= {"llm"} if config.goal else {"demos"}
        self.encoder = _encoder(config, context).to(context.device)
        self.potential_based, self.models_task = config.pay == "potential", config.pay == "direct"
        self.streams = (
            StreamSpec("task", context.gamma, config.task_coef),
            StreamSpec("embedding", context.gamma, config.coef),
        )
        self._expressions = {name: Expression(text) for name, text in config.expressions().items()}
        for name, expression in self._expressions.items():
            check_on_zeros(expression, spec, f"reward.{name}")
        self._ends: tuple[torch.Tensor, torch.Tensor] | None = None
        self._told: Metrics = {}

    @torch.no_grad()
    def compute(self, rollout: Rollout) -> Signals:
        rows, here, there = self._seen(rollout)
        goal, baseline = self._goal_and_baseline()
        seen = over_rows(self._encoded, rows)
        of_rows = self._of_rows(seen, goal, baseline)
        reached = spread(of_rows, there)
        if self.config.form == "target":
            paid = self._by_speed(rollout, reached)
        elif self.config.pay == "potential":
            paid = self.context.gamma * reached.masked_fill(rollout.terminated, 0.0) - spread(of_rows, here)
        else:
            paid = reached
        near = [spread(cosine(seen, each), there).mean() for each in (goal, baseline)]
        found = (reached if self.config.form != "target" else paid).mean(), *near
        self._told = {name: float(value) for name, value in zip(_METRICS, found, strict=True)}
        return Signals({"task": rollout.task_reward, "embedding": paid})

    def update(self, rollout: Rollout) -> Metrics:
        return self._told

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._ends = None  # they are of the encoder as it was

    def _of_rows(self, seen: torch.Tensor, goal: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
        """What each of the images [U, D] says: R, or of form=target the share of the top speed that is wanted, [U]."""
        if self.config.form == "vlm_rm":
            return projected(seen, goal, baseline, self.config.alpha)
        if self.config.form == "contrast":
            return contrasted(seen, goal, baseline, self.config.alpha)
        return target_share(seen, goal, baseline, self.config.margin)

    def _by_speed(self, rollout: Rollout, share: torch.Tensor) -> torch.Tensor:
        known, shape = {**rollout.next_obs, **rollout.privileged}, rollout.task_reward.shape
        speed, *off = (
            number(each, known, shape, f"reward.{name}", self.context.spec) for name, each in self._expressions.items()
        )
        paid = speed_reward(speed, share, self.config.top_speed, off)
        return torch.where(rollout.task_reward < 0, rollout.task_reward, paid)

    def _seen(self, rollout: Rollout) -> tuple[TensorObs, torch.Tensor, torch.Tensor]:
        """The distinct images of a rollout, and where each step began and led to, int64 [T, N] each."""
        if self.config.sees == "image":
            distinct = distinct_of(rollout)
            return {"image": distinct.rows["image"]}, distinct.here[:-1], distinct.there
        ends = [each[PICTURE].flatten(0, 1) for each in (rollout.current_privileged, rollout.privileged)]
        rows, place = tell_apart({"image": torch.cat(ends)})
        here, there = place.view(2, *rollout.task_reward.shape)
        return rows, here, there

    def _encoded(self, rows: TensorObs) -> torch.Tensor:
        encoded: torch.Tensor = self.encoder(rows["image"])
        return encoded

    def _goal_and_baseline(self) -> tuple[torch.Tensor, torch.Tensor]:
        """g and b, [D] each.

        Raises:
            UserError: they are the same.
        """
        if self._ends is None:
            config = self.config
            if config.goal:
                goal, baseline = (self.encoder.words(texts).mean(dim=0) for texts in (config.goal, config.baseline))
            else:
                goal = self._shown(self._files[0], -1)
                baseline = self._shown(self._files[-1], 0 if config.baseline_at == "first" else -1)
            if torch.allclose(goal, baseline, atol=1e-6):
                raise UserError(
                    f"reward.encoder={config.encoder}: goal and baseline look the same to it; use another, or"
                    " demonstrations with reward.baseline_demos"
                )
            self._ends = goal, baseline
        return self._ends

    def _shown(self, file: DemonstrationFile, at: int) -> torch.Tensor:
        """The mean of what demonstrations show first or last, [D]."""
        images = torch.stack([shown["image"][at] for shown in file.read().shown]).to(self.context.device)
        return over_rows(self._encoded, {"image": images}).mean(dim=0)


def _files(config: Config, spec: EnvSpec) -> list[DemonstrationFile]:
    """The goal's demonstrations, and the baseline's where these are others."""
    if config.goal:
        return []
    others = config.baseline_demos
    beside = [] if others is None else [DemonstrationFile("reward.baseline_demos", others, spec)]
    return [config.demonstrations("reward", spec), *beside]


def _encoder(config: Config, context: BuildContext) -> FrozenEncoder:
    image = context.spec.obs.get("image")
    if config.encoder == "open_clip":
        if config.sees == "image" and (image is None or not reads_as_picture(image) or image.shape[-1] < 3):
            raise UserError(
                f"reward.sees=image: open_clip reads pixels in red, green and blue, which {context.spec.id} does not"
                " show; use reward.sees=drawn"
            )
        assert config.file is not None, "refused by validate"
        return OpenClip(config.model, config.file)
    assert image is not None, "refused by BaseScheme"
    if config.encoder == "counts":
        return CellCounts(image)
    encoder = FrozenConvolutions(image, context.generator)
    if config.file is not None:
        encoder.read(config.file)
    return encoder
