"""What captions are worth by what was answered about them: a table of labels, a classifier of captions, a ranking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from rewardlab.language.annotator import Annotator
from rewardlab.language.captions import Captioned
from rewardlab.language.judges import Annotation, Question
from rewardlab.maths.counting import combine_keys
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.caption_model import CaptionModel
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.types import Metrics, State

YES, NO = "YES", "NO"
FIRST, SECOND, NEITHER = "1", "2", "0"
_BOTH_KNOWN = 50  # labels of either class before a classifier pays
_MANY = 25_000  # labels after which one step an iteration is enough
_BATCH = 256
_NORM = 10.0  # of the gradient of a ranking


def read_label(text: str) -> bool | None:
    """Whether an answer says yes; None: neither yes nor no."""
    found = re.findall(r"\b(yes|no)\b", text.lower())
    return found[-1] == "yes" if found else None


def read_preference(text: str) -> int | None:
    """1 or 2, which of two captions is preferred, 0: neither; None: the answer does not say."""
    found = re.findall(r"\b[012]\b", text)
    return int(found[-1]) if found else None


def pair_text(first: str, second: str) -> str:
    """The question which of two captions is preferred; `pair_of` reads them back."""
    return f"1: {first}\n2: {second}"


def pair_of(text: str) -> tuple[str, str] | None:
    """The two captions of `pair_text`, or None."""
    found = re.fullmatch(r"1: (.*)\n2: (.*)", text)
    return None if found is None else (found[1], found[2])


def label_question(seen: Captioned, at: int) -> Question:
    """Whether the caption of a flat step leads on."""
    said = (YES, NO) if seen.helpful(at) else (NO, YES)
    return Question(int(seen.keys.flat[at]), seen.text(at), *said)


class Worth(Protocol):
    """What the captions of a rollout are worth, and how it is learned.

    metrics: columns of `learn`.
    """

    metrics: tuple[str, ...]

    def of(self, seen: Captioned) -> torch.Tensor:
        """float32 [D], of `seen.distinct`."""

    def ask(self, seen: Captioned) -> None:
        """Put what is to be known of the captions of a rollout."""

    def learn(self, told: Sequence[Annotation]) -> Metrics:
        """Learn from what has become known."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


class Retrieval:
    """1 where the answer was yes; what is not answered is worth nothing."""

    metrics: tuple[str, ...] = ()

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    def of(self, seen: Captioned) -> torch.Tensor:
        answers = self._annotator.answers
        return torch.tensor([float(bool(answers.get(key))) for key in seen.distinct.tolist()])

    def ask(self, seen: Captioned) -> None:
        self._annotator.put([label_question(seen, at) for at in seen.unseen(self._annotator)])

    def learn(self, told: Sequence[Annotation]) -> Metrics:
        return {}

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        pass


class _Texts:
    """The words of captions that come again, by key; a cache, which no state needs to hold."""

    def __init__(self) -> None:
        self._held: dict[int, str] = {}

    def of(self, seen: Captioned) -> list[str]:
        """Of `seen.distinct`."""
        for at in seen.unseen(self._held):
            self._held[int(seen.keys.flat[at])] = seen.text(at)
        return [self._held[key] for key in seen.distinct.tolist()]


def _drawn(count: int, steps: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Minibatches of all that was answered so far, one for each step that a model learns; one where it is much."""
    for _ in range(steps if count <= _MANY else 1):
        yield torch.randint(count, (_BATCH,), generator=generator).tolist()


class Classification(Retrieval):
    """1 where a classifier of captions, learned from all labels, says yes with more than one half.

    It pays once it has seen fifty labels of either class: before, it would pay what its first weights say.

    Args:
        steps: of learning after each iteration that brought labels, until there are 25,000.
    """

    metrics: tuple[str, ...] = ("loss/oni",)

    def __init__(self, annotator: Annotator, model: CaptionModel, steps: int, generator: torch.Generator) -> None:
        super().__init__(annotator)
        self._model, self._steps, self._generator, self._cache = model, steps, generator, _Texts()
        self._texts: list[str] = []
        self._labels: list[float] = []

    def of(self, seen: Captioned) -> torch.Tensor:
        yes = sum(self._labels)
        if min(yes, len(self._labels) - yes) < _BOTH_KNOWN:
            return torch.zeros(len(seen.distinct))
        return (self._model.score(self._cache.of(seen)) > 0).float()

    def learn(self, told: Sequence[Annotation]) -> Metrics:
        self._take(told)
        if not self._labels:
            return {}
        losses = []
        for chosen in _drawn(len(self._labels), self._steps if told else 1, self._generator):
            labels = torch.tensor([self._labels[at] for at in chosen])
            losses.append(self._model.learn_labels([self._texts[at] for at in chosen], labels))
        return {"loss/oni": sum(losses) / len(losses)}

    def state_dict(self) -> State:
        return {"model": self._model.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._model.load_state_dict(state["model"])
        self._texts, self._labels = [], []
        self._take(self._annotator.annotations)

    def _take(self, told: Sequence[Annotation]) -> None:
        for each in told:
            if (label := self._annotator.answers[each.question.key]) is not None:
                self._texts.append(each.question.text)
                self._labels.append(float(label))


class Ranking:
    """A score of captions under which the preferred one of two has the higher one.

    Random pairs of all captions so far are asked for, while fewer than two iterations' worth of them wait.

    Args:
        each: pairs that an iteration adds. steps: as of `Classification`.
        floor: scores are normalised by their running mean and standard deviation, and what is below this pays nothing,
            as the paper says; None: they are paid as they are, as its code does.
    """

    metrics: tuple[str, ...] = ("loss/oni",)

    def __init__(
        self,
        annotator: Annotator,
        model: CaptionModel,
        each: int,
        steps: int,
        floor: float | None,
        generator: torch.Generator,
        rng: np.random.Generator,
    ) -> None:
        self._annotator, self._model, self._each, self._steps = annotator, model, each, steps
        self._floor, self._generator, self._rng, self._cache = floor, generator, rng, _Texts()
        self._scores = RunningMoments()
        self._known: dict[int, tuple[str, bool]] = {}  # captions that pairs are drawn from, and whether they lead on
        self._pairs: list[tuple[str, str, float]] = []
        self._learned = False

    def of(self, seen: Captioned) -> torch.Tensor:
        if not self._learned:
            return torch.zeros(len(seen.distinct))
        scores = self._model.score(self._cache.of(seen))
        if self._floor is None:
            return scores
        times = torch.from_numpy(np.bincount(seen.place.ravel(), minlength=len(scores)))
        self._scores.add(scores, times)
        scaled = (scores - self._scores.mean) / self._scores.std
        return torch.where(scaled < self._floor, 0.0, scaled)

    def ask(self, seen: Captioned) -> None:
        for at in seen.unseen(self._known):
            self._known[int(seen.keys.flat[at])] = (seen.text(at), seen.helpful(at))
        if len(self._annotator) >= 2 * self._each or len(self._known) < 2:
            return
        keys = list(self._known)
        for _ in range(self._each):
            one, other = (keys[at] for at in self._rng.choice(len(keys), 2, replace=False).tolist())
            (first, helps), (second, helps_too) = self._known[one], self._known[other]
            said = {0: (NEITHER, FIRST), 1: (FIRST, SECOND), -1: (SECOND, FIRST)}[helps - helps_too]
            key = int(combine_keys(np.array([one], dtype=np.int64), np.array([other]))[0])
            self._annotator.put([Question(key, pair_text(first, second), *said)])

    def learn(self, told: Sequence[Annotation]) -> Metrics:
        self._take(told)
        if not self._pairs:
            return {}
        drawn = _drawn(len(self._pairs), self._steps if told else 1, self._generator)
        losses = [self._model.learn_pairs(*columns(self._pairs, chosen)) for chosen in drawn]
        self._learned = True
        return {"loss/oni": sum(losses) / len(losses)}

    def state_dict(self) -> State:
        return {
            "model": self._model.state_dict(),
            "scores": self._scores.state_dict(),
            "known": [[key, *words] for key, words in self._known.items()],
            "learned": self._learned,
        }

    def load_state_dict(self, state: State) -> None:
        self._model.load_state_dict(state["model"])
        self._scores.load_state_dict(state["scores"])
        self._known = {key: (text, helps) for key, text, helps in state["known"]}
        self._learned, self._pairs = state["learned"], []
        self._take(self._annotator.annotations)

    def _take(self, told: Sequence[Annotation]) -> None:
        for each in told:
            found = labelled_pair(each.question.text, self._annotator.answers[each.question.key])
            if found is not None:
                self._pairs.append(found)


class Offline:
    """A ranking that is learned once and stays: Motif (Klissarov et al. 2023, arXiv:2310.00166).

    Four fifths of the pairs teach, the rest tell its loss. Scores are normalised by the mean and standard deviation of
    the captions in the pairs, and what is below their median pays nothing.

    Args:
        pairs: two captions, and how much the first is preferred, 1, 0 or 0.5.
        cost: columns of train.csv that tell what the pairs took.
    """

    metrics: tuple[str, ...] = ("loss/oni", "loss/oni_heldout")

    def __init__(
        self,
        pairs: Sequence[tuple[str, str, float]],
        model: CaptionModel,
        epochs: int,
        batch: int,
        generator: torch.Generator,
        cost: Metrics | None = None,
    ) -> None:
        self._pairs, self._model, self._epochs, self._batch = pairs, model, epochs, batch
        self._generator, self._cache, self._cost = generator, _Texts(), cost or {}
        self._told: Metrics = {}  # empty until it is taught
        self._mean = self._std = self._median = 0.0

    def of(self, seen: Captioned) -> torch.Tensor:
        if not self._told:
            self._teach()
        scaled = (self._model.score(self._cache.of(seen)) - self._mean) / self._std
        return torch.where(scaled < self._median, 0.0, scaled)

    def ask(self, seen: Captioned) -> None:
        pass

    def learn(self, told: Sequence[Annotation]) -> Metrics:
        return self._cost | self._told

    def state_dict(self) -> State:
        scale = {"mean": self._mean, "std": self._std, "median": self._median}
        return {"model": self._model.state_dict(), "told": self._told, **scale}

    def load_state_dict(self, state: State) -> None:
        self._model.load_state_dict(state["model"])
        self._told = state["told"]
        self._mean, self._std, self._median = state["mean"], state["std"], state["median"]

    def _teach(self) -> None:
        """When the first rollout is paid, so that a run that is only built, or goes on, does not learn in vain."""
        order = torch.randperm(len(self._pairs), generator=self._generator).tolist()
        most = -(-len(order) * 4 // 5)
        taught, held = order[:most], order[most:]
        losses = []
        for chosen in minibatches(len(taught), self._batch, self._epochs, self._generator):
            losses.append(self._model.learn_pairs(*columns(self._pairs, [taught[at] for at in chosen.tolist()])))
        self._told = {"loss/oni": losses[-1]}
        if held:
            self._told["loss/oni_heldout"] = self._model.pair_loss(*columns(self._pairs, held))
        scores = self._model.score(sorted({text for pair in self._pairs for text in pair[:2]}))
        self._mean = float(scores.mean())
        self._std = max(float(scores.std(correction=0)), 1e-8)
        self._median = float(((scores - self._mean) / self._std).quantile(0.5))


def labelled_pair(text: str, preferred: int | None) -> tuple[str, str, float] | None:
    """A pair that a ranking learns from; None where the answer says nothing, or the question holds no pair."""
    captions = pair_of(text)
    if captions is None or preferred is None:
        return None
    return (*captions, {0: 0.5, 1: 1.0, 2: 0.0}[preferred])


def columns(
    pairs: Sequence[tuple[str, str, float]], chosen: Sequence[int]
) -> tuple[list[str], list[str], torch.Tensor]:
    """First captions, second ones, and how much the first is preferred, of chosen pairs."""
    first, second, preferred = zip(*(pairs[at] for at in chosen), strict=True)
    return list(first), list(second), torch.tensor(preferred)
