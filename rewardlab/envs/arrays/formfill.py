"""FormFill: fields of a page are filled in as an instruction says, and the page is submitted; only that pays.

Paper: Gur et al. 2019, Learning to navigate the web (QWeb; arXiv:1812.09195)

A page has `fields` fields that the instruction names, `distractors` fields that it does not, and a button to submit.
An instruction is a list of pairs, a field and a value; which fields they name, and in which order, is drawn anew for
each episode. An action clicks on an element, or types the value of a pair into it, whatever was there:

    action = type * (E * F) + pair * E + element,   type 0 clicks, 1 types,   element E - 1 submits

Clicks elsewhere and text typed into the button do nothing. To submit pays 1 where every field holds the value that it
is to hold and no other field holds anything, else -1; time up pays -1. Both end the task. Nothing empties a field.

What is seen: for each pair which field it names, one-hot (nothing where there is no pair), and for each pair and field
whether the field's text is the pair's value, which is how QWeb shows a page beside an instruction. The values of an
instruction differ; what they are makes no difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import MATCHED, PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.forms import FIELD, TEXT, VALUE, WANTED, as_told, matched
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
SUCCESS = "submitted with every field as the instruction says, and no other filled"
_TRAINED = 40_000  # levels, that `TaskFacts.seen_in_training` is of
_SQUARE = 32  # pixels of a field's side in a picture
_EMPTY, _ASKED, _RIGHT, _WRONG = (90, 90, 90), (230, 190, 40), (70, 160, 90), (190, 70, 60)


@dataclass
class Config(OwnConfig):
    fields: int = option(2, "pairs of the instruction, each a field to be filled", minimum=1, maximum=20)
    distractors: int = option(2, "fields that are to stay empty", minimum=0, maximum=20)
    steps: int | None = option(None, "steps of an episode; null: 3 (fields + 1)", above=0)
    frames: int = option(200_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if self.limit <= self.fields:
            raise ValueError(f"steps={self.steps}: filling {self.fields} fields and submitting takes {self.fields + 1}")

    @property
    def limit(self) -> int:
        """Steps of an episode."""
        return 3 * (self.fields + 1) if self.steps is None else self.steps

    def level_keys(self, seeds: Sequence[int]) -> list[bytes]:
        return [instruction(np.random.default_rng(seed), self.fields, self.distractors).tobytes() for seed in seeds]

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """No level is easier than others."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "FormFill":
    """N copies; a level is an instruction.

    Args:
        privileged: full-state facts to compute: matched, state_hash, picture.
    """
    pairs, fields = config.fields, config.fields + config.distractors
    size, count = 2 * pairs * fields, math.perm(fields, pairs)
    spec = EnvSpec(
        id=f"FormFill-{config.fields}-D{config.distractors}",
        obs={"vector": ObsSpec((size,), "float32", bounds=((0.0,) * size, (1.0,) * size))},
        action=ActionSpec(n=2 * pairs * (fields + 1)),
        max_steps=config.limit,
        task=TaskFacts(
            random_return(pairs, config.distractors, config.limit), 1.0, "exact", SUCCESS, distinct_levels=count,
            seen_in_training=-math.expm1(_TRAINED * math.log1p(-1.0 / count)) if count > 1 else 1.0,
            lowest_return=-1.0,
        ),
        backend="fast",
        privileged=(MATCHED, STATE_HASH, PICTURE),
        restorable=True,
        placeable=True,
    )  # fmt: skip
    return FormFill(config, spec, levels, privileged)


class FormFill(ArrayEnv):
    """Its state has the entries of `maths.forms`: field and value, int64 [N, F]; wanted and text, int64 [N, M]."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._pairs, self._distractors = config.fields, config.distractors
        self._fields = config.fields + config.distractors
        told, page = (levels.num_envs, self._pairs), (levels.num_envs, self._fields)
        shapes = {FIELD: told, VALUE: told, WANTED: page, TEXT: page}
        self.arrays = {name: np.zeros(shape, dtype=np.int64) for name, shape in shapes.items()}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        arrays, row = self.arrays, slice(i, i + 1)
        arrays[FIELD][i] = instruction(stream, self._pairs, self._distractors)
        arrays[VALUE][i] = 1 + np.arange(self._pairs)
        arrays[WANTED][row] = as_told(arrays[FIELD][row], arrays[VALUE][row], self._fields)
        arrays[TEXT][i] = 0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        elements = self._fields + 1
        kind, rest = np.divmod(action, self._pairs * elements)
        pair, element = np.divmod(rest, elements)
        value = self.arrays[VALUE][np.arange(self.num_envs), pair]
        types = np.flatnonzero((kind == 1) & (element < self._fields) & (value > 0))
        self.arrays[TEXT][types, element[types]] = value[types]
        submits, late = (kind == 0) & (element == self._fields), self.steps + 1 >= self._limit
        solved = submits & (self.arrays[TEXT] == self.arrays[WANTED]).all(axis=1)
        ended = submits | late
        return 2.0 * solved - ended, ended, solved

    def observe(self) -> Obs:
        field, value, text = (self.arrays[name] for name in (FIELD, VALUE, TEXT))
        there = (value > 0)[..., None]
        shown = np.stack([field[..., None] == np.arange(self._fields), text[:, None] == value[..., None]], axis=1)
        return {"vector": (shown & there[:, None]).reshape(self.num_envs, -1).astype(np.float32)}

    def fact(self, name: str) -> Array:
        wanted, text = self.arrays[WANTED], self.arrays[TEXT]
        if name == MATCHED:
            return matched(wanted, text)
        if name == STATE_HASH:
            return hash_rows(np.concatenate([self.arrays[name] for name in (FIELD, VALUE, WANTED, TEXT)], axis=1))
        asked = np.where((wanted > 0)[..., None], _ASKED, _EMPTY)
        held = np.where((text == 0)[..., None], _EMPTY, np.where((text == wanted)[..., None], _RIGHT, _WRONG))
        return pictured(np.stack([asked, held], axis=1).astype(np.uint8), _SQUARE)


def instruction(stream: np.random.Generator, pairs: int, distractors: int) -> Array:
    """int64 [F]: the fields that an instruction names, in its order."""
    return stream.permutation(pairs + distractors)[:pairs]


def random_return(pairs: int, distractors: int, limit: int) -> float:
    """The mean return of uniformly random actions, exactly: a Markov chain over how many fields are right.

    Of A = 2 F E actions F submit, one fills in a given field rightly, F - 1 wrongly, and D F spoil the page for good.
    """
    actions = 2 * pairs * (pairs + distractors + 1)
    right = np.arange(pairs + 1)
    submit, spoil = pairs / actions, distractors * pairs / actions
    gains, loses = (pairs - right) / actions, right * (pairs - 1) / actions
    chance, solved = np.zeros(pairs + 1), 0.0
    chance[0] = 1.0
    for _ in range(limit):
        solved += float(chance[pairs]) * submit
        after = chance * (1.0 - submit - spoil - gains - loses)
        after[1:] += (chance * gains)[:-1]
        after[:-1] += (chance * loses)[1:]
        chance = after
    return 2.0 * solved - 1.0
