"""CALM: pays for subgoals that a language model says a step has reached.

Paper: Pignatelli et al. 2024, Assessing the zero-shot capabilities of LLMs for action evaluation in RL (CALM,
arXiv:2409.12798)
Assumes: privileged, for captions are made of facts of the full state; llm where one answers

    rewardlab run env=keycorridor_s3r3 reward=calm reward.error=0.01
    rewardlab run env=doorkey reward=calm reward.llm=openai reward.model=NAME "reward.subgoals=[]"

The judge reads what a step did and says which of `subgoals` it reached; with none given, it names them itself. A step
that reaches a subgoal for the first time in its episode is paid 1; with once=false each time. The paper annotates
demonstrations and compares with people; here the steps of the run are asked about, each caption once.

table=counts is the authors' reinforcement learning: what was seen and what was done is paid by how often it was among
the three steps that end with a flagged one, scaled from 0 for the least to 1 for the most. So the rarest pay nothing.
Where all are equal, they pay 1 here.

calm/precision, recall and f1 are of all steps so far whose captions were answered: whether any subgoal was reached, the
engine says; which one is not compared. A judge that errs with a probability e on what is true of a share p has the
precision p (1 - e) / (p (1 - e) + (1 - p) e): where p is small, it falls long before the accuracy does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import unknown
from rewardlab.language import captions
from rewardlab.language.annotator import METRICS
from rewardlab.language.captions import Captioned
from rewardlab.language.judges import Annotation, Question
from rewardlab.maths import captions as events
from rewardlab.maths.counting import Keys, combine_keys, hash_rows
from rewardlab.maths.distinct import distinct_of
from rewardlab.maths.subgoal_flags import MOST, fresh_flags, in_windows, quality, scaled_counts
from rewardlab.rewards.language.asking import AskingConfig, AskingScheme, known_of
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Rollout, State

VERSION = 1
KNOWN = {  # subgoals that the engine knows: verbs, and the kind that they are done to
    "pick up the key": ((events.PICKED_UP,), "key"),
    "open the door": ((events.UNLOCKED, events.OPENED), "door"),
    "unlock the door": ((events.UNLOCKED,), "door"),
    "pick up the ball": ((events.PICKED_UP,), "ball"),
    "pick up the box": ((events.PICKED_UP,), "box"),
    "open the box": ((events.OPENED_BOX,), "box"),
    "reach the goal": ((events.REACHED_GOAL,), "goal"),
}
_PRESET = ("pick up the key", "open the door")
_WINDOW = 3
_WATCH = "You watch an agent in a grid world. Its task: {task}. You read what one step of it did. "
_GIVEN = (
    "These are subgoals: {subgoals}. Answer with a JSON object from each subgoal to true or false: whether this very"
    " step reached it."
)
_FOUND = (
    "Think of the subgoals that lead to solving the task. Answer with a JSON object from the names of subgoals that"
    " this very step is about, short and always in the same words, to true or false: whether it reached them."
)
_OBJECT = re.compile(r"\{[^{}]*\}")
_METRICS = ("calm/precision", "calm/recall", "calm/f1")


@dataclass
class Config(AskingConfig):
    coef: float = option(0.1, "weight of what it pays: beta", minimum=0)
    subgoals: list[str] = option(list(_PRESET), "subgoals that are asked for, in words; []: the model names them")
    once: bool = option(True, "whether a subgoal is paid once in an episode only")
    table: str = option(
        "flags", "what is paid: flags, or the authors' table of what was seen and done", choices=("flags", "counts")
    )
    caption: str = option("event", "what captions tell: the event, or what is in sight too", choices=("event", "both"))
    task: str | None = option(None, "the task in words, for a model; null: the environment's id")

    def privileged(self) -> tuple[str, ...]:
        return captions.FACTS

    def validate(self) -> None:
        super().validate()
        if len(self.subgoals) > MOST:
            raise ValueError(f"subgoals: {len(self.subgoals)} of them; {MOST} at most")
        if len({_same(each) for each in self.subgoals}) < len(self.subgoals):
            raise ValueError(f"subgoals={self.subgoals}: has one twice")
        if self.llm == "scripted":
            for each in self.subgoals:
                if _same(each) not in KNOWN:
                    raise ValueError(str(unknown("subgoals", each, KNOWN, "subgoal that llm=scripted knows")))
        if self.table == "counts" and not self.once:
            raise ValueError("once=false: table=counts does not pay subgoals; leave it out")


class Scheme(AskingScheme):
    """Flags of captions are bits, one for each subgoal in the order of `names`."""

    metrics = (*METRICS, *_METRICS)

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the world tells no captions, or nobody can be asked.
        """
        asked = _GIVEN.format(subgoals="; ".join(config.subgoals)) if config.subgoals else _FOUND
        instructions = _WATCH.format(task=config.task or context.spec.id) + asked
        self.names = [_same(each) for each in config.subgoals]
        super().__init__(config, context, config.caption, instructions, self._read)
        self.config = config
        self.episodic_memory = config.table == "flags" and config.once
        self.reached: Array = np.zeros(context.num_envs, dtype=np.int64)
        self.counts: dict[int, int] = {}
        self._told = [0, 0, 0]  # steps rightly flagged, flagged, and to be flagged
        self._true = _true_events(self.names or list(KNOWN))

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        flags = self._flags(self.captioned(rollout))
        if self.config.table == "counts":
            paid = self._by_table(rollout)
        elif self.config.once:
            fresh, self.reached = fresh_flags(flags, rollout.first.cpu().numpy(), self.reached)
            paid = fresh != 0
        else:
            paid = flags != 0
        return torch.from_numpy(paid.astype(np.float32)).to(rollout.task_reward.device)

    def ask(self, seen: Captioned, rollout: Rollout) -> None:
        self.annotator.put([self._question(seen, at) for at in seen.unseen(self.annotator)])

    def learn(self, seen: Captioned, told: list[Annotation], rollout: Rollout) -> Metrics:
        answered = np.array([each is not None for each in known_of(self.annotator, seen.distinct)])[seen.place]
        flagged, true = (self._flags(seen) != 0) & answered, self._true[seen.events] & answered
        if self.config.table == "counts":
            self._count(rollout, flagged)
        for at, each in enumerate((flagged & true, flagged, true)):
            self._told[at] += int(each.sum())
        return dict(zip(_METRICS, quality(*self._told), strict=True))

    def state_dict(self) -> State:
        more = {"reached": self.reached.tolist(), "names": list(self.names), "told": list(self._told)}
        return {**super().state_dict(), **more, "counts": [list(self.counts), list(self.counts.values())]}

    def load_state_dict(self, state: State) -> None:
        self.names = list(state["names"])  # before answers are read, which number them
        super().load_state_dict(state)
        self.reached, self._told = np.array(state["reached"], dtype=np.int64), list(state["told"])
        self.counts = dict(zip(*state["counts"], strict=True))

    def _read(self, text: str) -> list[str] | None:
        """The subgoals that an answer says are reached; None: it holds no JSON object."""
        told = None
        for found in reversed(_OBJECT.findall(text)):
            try:
                told = json.loads(found)
                break
            except (ValueError, RecursionError):
                continue
        if told is None:
            return None
        names = [_same(name) for name, value in told.items() if value is True]
        if self.config.subgoals:
            return [name for name in names if name in self.names]
        self.names += [name for name in names if name not in self.names][: MOST - len(self.names)]
        return names

    def _flags(self, seen: Captioned) -> Array:
        """int64 [T, N], bits of what was answered."""
        number = {name: at for at, name in enumerate(self.names)}
        bits = [
            sum(1 << number[name] for name in set(told or ()) if name in number)
            for told in known_of(self.annotator, seen.distinct)
        ]
        flags: Array = np.array(bits, dtype=np.int64)[seen.place]
        return flags

    def _question(self, seen: Captioned, at: int) -> Question:
        key, event = int(seen.keys.flat[at]), int(seen.events.flat[at])
        asked = self.names if self.config.subgoals else list(KNOWN)
        true = [name for name in asked if name in KNOWN and _true_events([name])[event]]
        wrong = [] if true else [asked[key % len(asked)]]
        said = (json.dumps({name: name in some for name in asked}) for some in (true, wrong))
        return Question(key, seen.text(at), *said)

    def _by_table(self, rollout: Rollout) -> Array:
        paid = np.zeros(rollout.task_reward.numel())
        if self.counts:
            scaled = scaled_counts(np.array(list(self.counts.values())))
            worth = dict(zip(self.counts, scaled.tolist(), strict=True))
            paid = np.array([worth.get(key, 0.0) for key in _seen_and_done(rollout).ravel().tolist()])
        return paid.reshape(rollout.task_reward.shape)

    def _count(self, rollout: Rollout, flagged: Array) -> None:
        times = in_windows(flagged, rollout.first.cpu().numpy(), _WINDOW)
        at = times > 0
        for key, more in zip(_seen_and_done(rollout)[at].tolist(), times[at].tolist(), strict=True):
            self.counts[key] = self.counts.get(key, 0) + more


def _seen_and_done(rollout: Rollout) -> Keys:
    """A key of the image that was acted on and the action, int64 [T, N]."""
    distinct = distinct_of(rollout)
    rows = hash_rows(distinct.rows["image"].flatten(1).cpu().numpy())
    return combine_keys(rows[distinct.here[:-1].cpu().numpy()], rollout.action.cpu().numpy())


def _true_events(names: list[str]) -> Array:
    """bool [792]: which events reach one of these subgoals; of those that the engine does not know, none."""
    codes = np.arange(events.EVENTS)
    found = np.zeros(events.EVENTS, dtype=bool)
    for name in names:
        verbs, kind = KNOWN.get(name, ((), "unseen"))
        found |= np.isin(events.verb_of(codes), verbs) & (events.kind_of(codes) == events.KINDS.index(kind))
    return found


def _same(name: str) -> str:
    """A subgoal's name without what may differ between answers."""
    return " ".join(str(name).lower().split())[:100]
