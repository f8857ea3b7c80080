"""ONI: pays what a language model calls helpful, asked about captions of what happens while the agent learns.

Paper: Klissarov et al. 2024, Online intrinsic rewards for decision making agents from large language model feedback
(arXiv:2410.23022); offline=DIR: Klissarov et al. 2023, Motif (arXiv:2310.00166)
Source: https://github.com/facebookresearch/oni
Assumes: privileged, for captions are made of facts of the full state; llm where one answers

    rewardlab run env=keycorridor_s3r3 reward=oni reward.variant=retrieval reward.error=0.1
    rewardlab run env=keycorridor_s3r3 reward=oni reward.llm=openai reward.model=NAME reward.base_url=URL

What a step leads to has a caption (`language/captions.py`), which a judge is asked about (`language/judges.py`), newest
first, `per_iteration` in each iteration. The step is paid r(caption) / N^3, N being how often that was met in the
episode, its first frame included. `variant` says what r is:

retrieval: 1 where the label is yes, 0 where it is no or not there yet.
classification: 1 where a classifier of captions, learned from the labels, says yes, for captions without a label too.
ranking: a score learned from which of two captions is preferred. The authors' code computes its normalisation and pays
the raw score; normalise=true is as in the paper. Either pays ordinary events less than nothing, which may keep an
agent from new ones; floor=0 does not.

offline=DIR is Motif: DIR holds runs with variant=ranking, whose pairs teach the score before training; then nothing is
asked. Recipes: oni_keycorridor_s3r3, oni_classification_keycorridor_s3r3, oni_motif_keycorridor_s3r3.

Otherwise than published: a step is paid for what it led to, there for what was seen before it, a step late. The
classifier pays after fifty labels of either class, there from its first weights on. N counts events: with caption=both
an event has another caption from every place. count=caption is as published, and the same where captions are events.
By default captions tell the event, as NetHack's messages do; there are few, so that a table of labels is soon complete.
With caption=both there is no end of them, and what a variant makes of captions without a label matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from rewardlab.language import captions
from rewardlab.language.annotator import METRICS
from rewardlab.language.captions import Captioned
from rewardlab.language.judges import SCRIPTED, Annotation, read_annotations, refuse_own
from rewardlab.language.model import Answer
from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.parts.models.caption_model import CaptionModel
from rewardlab.rewards.language.asking import AskingConfig, AskingScheme
from rewardlab.rewards.language.caption_rewards import (
    FIRST,
    NEITHER,
    NO,
    SECOND,
    YES,
    Classification,
    Offline,
    Ranking,
    Retrieval,
    Worth,
    labelled_pair,
    pair_of,
    read_label,
    read_preference,
)
from rewardlab.schemas import RootConfig, option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 1

_LABEL = (
    "You judge an agent in a grid world by short messages about what it did. Its task: {task}. Does what this message"
    f" tells bring the agent closer to solving its task? Think shortly, then end with {YES} or {NO}."
)
_PAIR = (
    "You judge an agent in a grid world by short messages about what it did. Its task: {task}. Which of these two"
    f" messages tells of more progress towards solving it? Think shortly, then end with {FIRST} or {SECOND}, or with"
    f" {NEITHER} if neither does."
)
_POWER = 3  # the power of N


@dataclass
class Config(AskingConfig):
    coef: float = option(0.1, "weight of the bonus", minimum=0)
    variant: str = option("retrieval", "what a caption is worth", choices=("retrieval", "classification", "ranking"))
    caption: str = option(
        "event", "what captions tell: the event, what is in sight after it, or both", choices=captions.KINDS
    )
    count: str = option(
        "event", "what N counts within the episode: events, or captions as published", choices=("event", "caption")
    )
    normalise: bool = option(False, "whether a ranking's scores are normalised, and low ones pay 0")
    floor: float = option(
        -0.5, "what of normalised scores is below it pays 0; at 0 no event is paid less than nothing", neutral=-0.5
    )
    steps: int = option(4, "steps of a model after each iteration that brought answers; 32 as published", above=0)
    learning_rate: float | None = option(None, "Adam's step size of a model; null: 1e-4, offline 1e-5", above=0)
    offline: str | None = option(
        None, "folder with runs of variant=ranking, whose pairs teach before training", dataset=True
    )
    epochs: int = option(10, "passes over the pairs of offline", above=0)
    batch_size: int = option(1024, "size of its minibatches", above=0)
    task: str | None = option(None, "the task in words, for a model; null: the environment's id")

    def privileged(self) -> tuple[str, ...]:
        return captions.FACTS

    def validate(self) -> None:
        super().validate()
        if self.normalise and (self.variant != "ranking" or self.offline is not None):
            raise ValueError("normalise=true: only with reward.variant=ranking, and not offline, which always does")
        if self.floor != -0.5 and not self.normalise:
            raise ValueError(f"floor={self.floor:g}: only with reward.normalise=true")
        if self.offline is not None:
            if self.variant != "ranking":
                raise ValueError(f"offline={self.offline}: only with reward.variant=ranking")
            if set_ := self.asking():
                raise ValueError(f"{set_[0]}: nobody is asked with reward.offline; it is of the runs in {self.offline}")
            self.pairs()
        if self.variant == "classification" and self.caption == "event":
            raise ValueError(
                "caption=event: tells too few different things to learn a classifier of; set reward.caption=both"
            )
        if self.count == "event" and self.caption == "view":
            raise ValueError("count=event: captions of views tell no event; set reward.count=caption")

    def settle(self, setting: RootConfig) -> None:
        super().settle(setting)
        if self.offline is not None:
            refuse_own("offline=", self.offline, setting.results_dir)

    def pairs(self) -> tuple[list[tuple[str, str, float]], list[Answer]]:
        """Those of `offline`, each once, and all answers that were given for them.

        Raises:
            ValueError: there are none.
        """
        told = [each for each in read_annotations(Path(self.offline or ""), "offline=") if pair_of(each[0])]
        said = dict(told).items()
        found = [pair for text, answer in said if (pair := labelled_pair(text, read_preference(answer.text)))]
        if not found:
            raise ValueError(f"offline={self.offline}: holds no answered pairs; it needs a run with variant=ranking")
        return found, [answer for _, answer in told]


class Scheme(AskingScheme):
    """What captions are worth is told by `variant`."""

    episodic_memory = True
    stateful = ("counts", "annotator", "worth")  # worth is of what was answered, and comes after it

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the world tells no captions, or nobody can be asked.
        """
        ranks = config.variant == "ranking"
        instructions = (_PAIR if ranks else _LABEL).format(task=config.task or context.spec.id)
        super().__init__(config, context, config.caption, instructions, read_preference if ranks else read_label)
        self.config, self.counts = config, EpisodeCounts(context.num_envs)
        self.worth = self._worth(config, context)
        self.metrics = (*METRICS, *self.worth.metrics)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        seen = self.captioned(rollout)
        paid = self.worth.of(seen)[torch.from_numpy(seen.place)]
        by_event = self.config.count == "event"
        keys, starts = (seen.events, seen.events * 0) if by_event else (seen.keys, seen.begun)
        times = torch.from_numpy(self.counts.add(keys, starts, rollout.first.cpu().numpy()))
        return (paid / times.double() ** _POWER).float().to(rollout.task_reward.device)

    def ask(self, seen: Captioned, rollout: Rollout) -> None:
        self.worth.ask(seen)

    def learn(self, seen: Captioned, told: list[Annotation], rollout: Rollout) -> Metrics:
        return self.worth.learn(told)

    def _worth(self, config: Config, context: BuildContext) -> Worth:
        if config.variant == "retrieval":
            return Retrieval(self.annotator)
        offline = config.offline is not None
        rate = config.learning_rate or (1e-5 if offline else 1e-4)
        model = CaptionModel(rate, 10.0 if config.variant == "ranking" else None, context.generator)
        if config.offline is not None:
            pairs, answers = config.pairs()
            self.assumes |= {"llm"} if any(each.model not in ("", SCRIPTED) for each in answers) else set()
            tokens = sum(each.prompt_tokens + each.answer_tokens for each in answers)
            cost = {"annotate/calls": float(len(answers)), "annotate/tokens": float(tokens)}
            return Offline(pairs, model, config.epochs, config.batch_size, context.generator, cost)
        if config.variant == "classification":
            return Classification(self.annotator, model, config.steps, context.generator)
        return Ranking(
            self.annotator,
            model,
            config.per_iteration,
            config.steps,
            config.floor if config.normalise else None,
            context.generator,
            context.numpy_rng,
        )
