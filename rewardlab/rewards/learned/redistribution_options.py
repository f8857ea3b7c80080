"""The options of reward=redistribution, which its methods share."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.parts.models.factors import facts_of
from rewardlab.rewards.base import BonusConfig
from rewardlab.rewards.written.code_states import SEEN, CodeOptions
from rewardlab.schemas import RootConfig, option

METHODS = ("uniform", "ircr", "rd", "rrd", "lare", "rudder", "diaster", "spa")
ENDED, _BY_NETWORK = ("uniform", "ircr"), ("rd", "rrd", "lare", "diaster", "spa")
_LEARNED = (*_BY_NETWORK, "rudder")
_PACE, _ON_REPLAY = 0.25, {"lare": 256.0}  # steps learned from for each one played; on replay 64 but for these
# Which methods read an option; the others refuse it.
_READ_BY = {
    "memory": ("ircr", *_LEARNED),
    "learning_rate": _LEARNED,
    "hidden": _BY_NETWORK,
    "batch_size": _BY_NETWORK,
    "samples_per_step": _BY_NETWORK,
    "steps": ("rrd", "lare"),
    "unbiased": ("rrd", "lare"),
    "factors": ("lare",),
    "code": ("lare",),
    "state": ("lare",),
    "sandbox": ("lare",),
    "best_share": ("ircr",),
    "best_episodes": ("ircr",),
    "scale": ("rudder", "diaster"),
    "cells": ("rudder",),
    "start_episodes": ("rudder",),
    "fit_every": ("rudder",),
    "fit_until": ("rudder",),
    "fit_steps": ("rudder",),
    "grounding": ("spa",),
}


@dataclass
class Options(BonusConfig):
    task_coef: float = option(0.0, "weight of the task's reward beside it", minimum=0)
    method: str = option("rrd", "how the return is handed out", choices=METHODS)
    memory: int = option(50_000, "the latest steps of whole episodes, from which models learn", above=0)
    hidden: int = option(64, "width of the network's two layers", above=0)
    learning_rate: float | None = option(None, "Adam's step size; null: 3e-4, lare 1e-3, rudder 1e-2", above=0)
    batch_size: int = option(256, "steps of a gradient step", above=0)
    samples_per_step: float | None = option(
        None, "how many steps are learned from, for each one played; null: 0.25, on replay 64, with lare 256", above=0
    )
    steps: int | None = option(
        None, "rrd, lare: random steps of an episode in a loss; lare, 0: all of them; null: rrd 64, lare 0", minimum=0
    )
    unbiased: bool = option(False, "rrd, lare: take off the variance that random steps bring")
    factors: dict[str, str] = option({}, "lare: expressions over vector, next_vector, action, facts", any_key=True)
    code: str | None = option(
        None,
        "lare: factors as code, a file or a name in conf/code, in place of expressions",
        neutral=None,
        dataset=True,
    )
    state: str = option("auto", "lare: what the code sees, as of reward=written", choices=SEEN, neutral="auto")
    sandbox: bool = option(True, "lare: whether the code is kept from files, network and processes", neutral=True)
    best_share: float = option(0.5, "ircr: share of a minibatch from the best episodes", minimum=0, maximum=1)
    best_episodes: int = option(10, "ircr: how many those are", above=0)
    scale: float | None = option(
        None, "rudder, diaster: returns are divided by it; null: by their deviation at the first fit", above=0
    )
    cells: int = option(16, "rudder: cells of the LSTM", above=0)
    start_episodes: int = option(256, "rudder: episodes before the first fit; the task's reward until then", above=0)
    fit_every: int = option(256, "rudder: episodes between fits", above=0)
    fit_until: float = option(0.15, "rudder: a fit ends when the running error is below", above=0)
    fit_steps: int = option(32, "rudder: and after so many gradient steps of 8 episodes at the latest", above=0)
    grounding: float = option(0.5, "spa: what a step is paid beside that changed the observation", minimum=0)

    def privileged(self) -> tuple[str, ...]:
        return facts_of(self.factors) if self.code is None else self.coded().privileged()

    def coded(self) -> CodeOptions:
        """What `code` is run with."""
        assert self.code is not None
        return CodeOptions(name=self.name, plugin=self.plugin, code=self.code, state=self.state, sandbox=self.sandbox)

    @property
    def pace(self) -> float:
        """`samples_per_step`, settled or not."""
        return self.samples_per_step or _PACE

    @property
    def drawn(self) -> int:
        """`steps`, settled or not; 0: all."""
        return (0 if self.method == "lare" else 64) if self.steps is None else self.steps

    def settle(self, setting: RootConfig) -> None:
        self.steps = self.drawn
        if self.code is not None:
            coded = self.coded()
            coded.settle(setting)
            self.state = coded.state
        if self.samples_per_step is None and self.method in _BY_NETWORK:
            self.samples_per_step = _ON_REPLAY.get(self.method, 64.0) if setting.agent.REPLAYS else _PACE

    def revision(self, setting: RootConfig) -> int:
        """1: lare standardises factors and shares, and learns from all steps; rudder fits less, from where it was."""
        return int(self.method in ("lare", "rudder"))

    def validate(self) -> None:
        facts_of(self.factors)
        usual = Options()
        for name, readers in _READ_BY.items():
            value = getattr(self, name)
            if self.method not in readers and value != getattr(usual, name):
                raise ValueError(f"{name}={value}: method={self.method} does not read it, only {', '.join(readers)}")
        if self.method == "lare" and not self.factors and self.code is None:
            raise ValueError("method=lare: needs factors, as in reward.factors.height='abs(vector[0])', or code=FILE")
        if self.code is not None:
            if self.factors:
                raise ValueError("factors and code: one of them")
            self.coded().source("factors")
        elif self.state != "auto" or not self.sandbox:
            raise ValueError("state and sandbox are of code=FILE")
        if self.method == "rrd" and self.steps == 0:
            raise ValueError("steps=0: rrd draws some; method=rd takes all")
        if self.unbiased and self.drawn < 2:
            raise ValueError(f"steps={self.drawn}: unbiased=true needs at least 2")
