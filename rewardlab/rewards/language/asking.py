"""What schemes have in common that ask about captions while a run trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rewardlab.errors import UserError
from rewardlab.language.annotator import METRICS, Annotator
from rewardlab.language.captions import Captioned, Captions
from rewardlab.language.judges import Annotation, JudgeOptions, make_judge
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.types import Array, BuildContext, Metrics, Rollout


@dataclass
class AskingConfig(JudgeOptions, BonusConfig):
    """Who is asked, and what a bonus has."""


class AskingScheme(BonusScheme):
    """A rollout is paid by what was known before it; then its captions are asked about."""

    reads = ("image",)
    stateful: tuple[str, ...] = ("annotator",)

    def __init__(
        self,
        config: AskingConfig,
        context: BuildContext,
        caption: str,
        instructions: str,
        read: Callable[[str], Any],
    ) -> None:
        """Args:
            caption: the kind of captions.
            instructions: of a model. read: what an answer says.

        Raises:
            UserError: the world tells no captions, or nobody can be asked.
        """
        super().__init__(config, context)
        name = config.name or config.plugin
        if context.spec.action.n is None:
            raise UserError(
                f"reward={name}: captions are of discrete actions, and those of {context.spec.id} are a box"
            )
        self.exact = config.wait
        self.assumes |= {"llm"} if config.llm.partition(":")[0] != "scripted" else set()
        self.captions = Captions(caption)
        seed = int(context.numpy_rng.integers(2**31))
        self.annotator = Annotator(config, make_judge(config, instructions, seed), read)
        self._seen: tuple[Rollout, Captioned] | None = None

    def ask(self, seen: Captioned, rollout: Rollout) -> None:
        """Put what is to be known of a rollout."""
        raise NotImplementedError

    def learn(self, seen: Captioned, told: list[Annotation], rollout: Rollout) -> Metrics:
        """Take in what has become known; further columns of train.csv."""
        return {}

    def keys(self, seen: Captioned) -> Array:
        """int64 [T, N], what each step's question has as its key."""
        return seen.keys

    def update(self, rollout: Rollout) -> Metrics:
        seen = self.captioned(rollout)
        self._seen = None
        known = self.annotator.metrics(self.keys(seen))
        self.ask(seen, rollout)
        more = self.learn(seen, self.annotator.step(), rollout)
        return self.annotator.metrics() | {METRICS[0]: known[METRICS[0]]} | more

    def annotations(self) -> str:
        return self.annotator.table() if self.annotator.annotations else ""

    def captioned(self, rollout: Rollout) -> Captioned:
        """Its captions, made once."""
        if self._seen is None or self._seen[0] is not rollout:
            self._seen = (rollout, self.captions.of(rollout))
        return self._seen[1]


def known_of(annotator: Annotator, keys: Array) -> list[Any]:
    """What was answered of keys [D]; None where nothing was, or nothing could be read."""
    return [annotator.answers.get(key) for key in keys.tolist()]
