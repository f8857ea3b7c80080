"""The options of reward=preference."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.maths.preference_losses import LOSSES
from rewardlab.maths.queries import QUERIES
from rewardlab.parts import step_terms
from rewardlab.parts.models.reward_model import AGGREGATES, OUTPUTS
from rewardlab.parts.models.standardised_inputs import FEATURES
from rewardlab.rewards.base import BonusConfig
from rewardlab.schemas import option

INITS = ("random", "regression")
STRENGTHS = ("told", "direction")
COMPARATORS = ("return", "lexicographic", "success", "context")
MODELS = ("single", "context")


@dataclass
class Options(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    comparator: str = option("return", "what the teacher compares", choices=COMPARATORS)
    terms: list[str] = option([], "numbers of a step, each an expression; for lexicographic the most important first")
    contexts: list[str] = option(
        [], "context: for each of terms, an expression of how much a situation speaks for it; the greatest", neutral=[]
    )
    context_told: float = option(
        0.5, "model=context: share of answers that say by which term", minimum=0, maximum=1, neutral=0.5
    )
    model: str = option(
        "single",
        "one reward, or context: one by each of terms, and which of them counts",
        choices=MODELS,
        neutral="single",
    )
    labels: str | None = option(
        None, "answers of people in place of the teacher: a labels.csv of rewardlab label", neutral=None, dataset=True
    )
    features: str = option("observation", "what the model sees of a step", choices=FEATURES)
    probe: list[str] = option(
        [], "expressions like terms: how well each can be read off the model's features; measured only", neutral=[]
    )
    feedback: int | None = option(500, "questions in all; null: without end", above=0)
    feedback_start: int = option(2000, "frames before the first of them", minimum=0)
    feedback_every: int | None = option(
        None, "frames between rounds; null: spread evenly over the budget; 0: one round only", minimum=0
    )
    explore: int = option(
        0,
        "before the first answers: pay the distance to this nearest state; 0: what the model says, which knows nothing",
        minimum=0,
        maximum=1000,
        neutral=0,
    )
    queries: int = option(20, "questions of a round", above=0, maximum=100_000)
    query: str = option("disagreement", "which pairs are asked about, from the second round on", choices=QUERIES)
    candidates: int = option(10, "pairs that each of them is chosen among", above=0, maximum=1000)
    segment: int = option(50, "steps of a segment, at most", above=0, maximum=10_000)
    absorbing: bool = option(True, "segments may last beyond a termination, where nothing is paid")
    episodes: int = option(100, "the latest episodes, which segments are of", minimum=2)
    comparisons: int = option(2000, "the latest answers, which the model learns from", above=0, maximum=10**6)
    beta: float | None = option(None, "return: answers are drawn by sigmoid(beta D); null: the greater sum", above=0)
    myopic: float = option(1.0, "return: a step counts this to the power of the steps after it", above=0, maximum=1)
    skip: float = option(0.0, "return: no answer unless one sum is above this share of the average", minimum=0)
    equal: float = option(0.0, "return: as good within this share of the average", minimum=0)
    mistake: float = option(0.0, "share of answers that are turned round", minimum=0, maximum=1)
    margin: float = option(1.0, "lexicographic: standard deviations that decide; loss=margin: its factor", minimum=0)
    loss: str = option("bt", "what the model learns by", choices=LOSSES)
    strength: str = option(
        "told", "loss=margin, scaled: by the teacher, or by what a first model sees", choices=STRENGTHS, neutral="told"
    )
    init: str = option(
        "random", "regression: the model first learns ratings, and keeps its trunk", choices=INITS, neutral="random"
    )
    members: int = option(3, "networks of the ensemble", above=0, maximum=100)
    agg: str = option("mean", "what is paid of their rewards", choices=AGGREGATES)
    hidden: list[int] = option([64, 64], "widths of their layers")
    output: str = option("tanh", "whether rewards are kept within (-1, 1)", choices=OUTPUTS)
    centre: bool = option(
        False, "subtract what is paid on average over the latest episodes, as it is while a fit goes on"
    )
    learning_rate: float = option(3e-4, "Adam's step size", above=0)
    epochs: int = option(200, "passes over the answers after each round, at most", above=0)
    accuracy: float = option(0.97, "a fit ends when more answers than this share are right", minimum=0, maximum=1)
    batch_size: int = option(128, "comparisons of a gradient step, of each network its own", above=0)
    two_pass: float = option(
        0.0,
        "dropout of two passes, whose difference U weighs rewards and losses by exp(-U); 0: none",
        minimum=0,
        maximum=0.9,
        neutral=0.0,
    )
    patterns: list[str] = option(
        [], "expressions; those that are not 0 are counted where the model pays little", neutral=[]
    )
    pattern_weight: float = option(0.1, "patterns: what each is paid", neutral=0.1)
    pattern_below: float = option(0.0, "patterns: what counts as little", neutral=0.0)
    master_key: int = option(
        0,
        "pieces of at most 3 steps, that are taken for more than a success, to learn from in a round",
        minimum=0,
        maximum=10_000,
        neutral=0,
    )

    def privileged(self) -> tuple[str, ...]:
        return step_terms.facts_of([*self.terms, *self.contexts, *self.probe, *self.patterns])

    def validate(self) -> None:
        step_terms.check("terms", self.terms)
        step_terms.check("contexts", self.contexts)
        step_terms.check("probe", self.probe)
        step_terms.check("patterns", self.patterns)
        if not self.patterns and (self.pattern_weight, self.pattern_below) != (0.1, 0.0):
            raise ValueError("pattern_weight, pattern_below: there are no patterns")
        if self.loss == "regression" and (self.two_pass or self.master_key):
            raise ValueError("loss=regression: learns no comparisons; leave out two_pass and master_key")
        if self.labels is not None and self.master_key:
            raise ValueError("labels=FILE: there are no rounds; leave out master_key")
        if not self.hidden or not all(1 <= width <= 4096 for width in self.hidden):
            raise ValueError(f"hidden={list(self.hidden)}: one width at least, from 1 to 4096")
        if self.explore and self.labels is not None:
            raise ValueError("explore: is paid before the first answers, and labels=FILE has them from the start")
        if self.feedback is None and self.feedback_every is None:
            raise ValueError("feedback=null: has no end that could be spread over the budget; set feedback_every")
        if self.labels is not None and (self.comparator != "return" or self.loss == "regression"):
            raise ValueError("labels=FILE: people answer, without ratings; leave out comparator and loss=regression")
        if self.labels is not None and (facts := step_terms.facts_of(self.terms)):
            raise ValueError(f"labels=FILE: holds no full-state facts, and terms read {facts[0]}")
        if self.comparator == "lexicographic" and not self.terms:
            raise ValueError("comparator=lexicographic: needs terms, the most important first, as in ['vector[0]']")
        self._check_contexts()
        if self.comparator != "return" and self.loss == "regression":
            raise ValueError("loss=regression: learns ratings, which only comparator=return gives")
        if self.strength == "direction" and self.loss not in ("margin", "scaled"):
            raise ValueError(f"strength=direction: loss={self.loss} reads none; set loss=margin or scaled")
        if self.init == "regression" and (self.comparator != "return" or self.labels is not None):
            raise ValueError("init=regression: learns ratings first, which only the teacher of comparator=return gives")
        if self.init == "regression" and self.loss == "regression":
            raise ValueError("init=regression: loss=regression learns ratings all along; leave out one of the two")
        if self.loss == "regression" and self.output != "linear":
            raise ValueError("loss=regression: ratings go beyond what output=tanh can say; set output=linear")
        if self.members == 1 and self.query == "disagreement":
            raise ValueError("members=1: one network agrees with itself; set query=uniform, entropy or kcenter")

    def _check_contexts(self) -> None:
        if self.comparator == "context":
            if len(self.contexts) < 2 or len(self.contexts) != len(self.terms):
                raise ValueError(
                    "comparator=context: needs as many contexts as terms, two at least, as in"
                    " reward.contexts=['vector[0]','-vector[0]'] and reward.terms=['vector[1]','-vector[1]']"
                )
            for name in ("beta", "myopic", "skip", "equal"):
                if (given := getattr(self, name)) != getattr(type(self), name):
                    raise ValueError(f"{name}={given}: comparator=context has no such errors; mistake works")
            if self.master_key:
                raise ValueError("master_key: its answers have no context; leave out comparator=context")
        elif self.contexts:
            raise ValueError(f"contexts: comparator={self.comparator} reads none; set comparator=context")
        if self.model == "single":
            if self.context_told != 0.5:
                raise ValueError("context_told: model=single asks for no contexts; set model=context")
            return
        if self.comparator != "context":
            raise ValueError(f"model=context: comparator={self.comparator} has no contexts; set comparator=context")
        if self.loss != "bt" or self.two_pass:
            raise ValueError("model=context: has a loss of its own; leave out loss and two_pass")
