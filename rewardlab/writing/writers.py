"""The writers: what each asks for, how that is trained on, and who else has a look at it."""

from __future__ import annotations

from dataclasses import dataclass

_REWARDS = ("potential", "reward", "split")
_REPAIRS = 5


@dataclass(frozen=True)
class Writer:
    """One of `WRITERS`.

    kinds: what an answer may define, see `parts.written_code.FUNCTIONS`; the prompt asks for the first.
    reward: overrides by which it is trained on, but for reward.code.
    example: code of the kind in conf/code, which stands for what is not written yet.
    rounds, samples: how many there are where nobody says it.
    repairs: how often what is refused goes back; a round has one candidate then, else `samples` of them.
    critic: whether the model is asked of each candidate if it does what it means to do.
    analyser: whether the model is asked why episodes failed.
    merges: whether `samples` drafts are merged into the one candidate.
    """

    kinds: tuple[str, ...] = _REWARDS
    reward: tuple[str, ...] = ("reward=written",)
    example: str = "stages"
    rounds: int = 3
    samples: int = 4
    repairs: int = 0
    critic: bool = False
    analyser: bool = False
    merges: bool = False


WRITERS = {
    "once": Writer(rounds=1, samples=1),
    "eureka": Writer(),
    "text2reward": Writer(repairs=_REPAIRS),
    "auto_mc": Writer(kinds=("split",), repairs=_REPAIRS, critic=True, analyser=True),
    "progress_counts": Writer(
        kinds=("progress",), reward=("reward=progress_counts",), example="stages_progress", rounds=1
    ),
    "lare": Writer(
        kinds=("factors",), reward=("reward=redistribution", "reward.method=lare"), example="upright", rounds=1,
        samples=5, repairs=_REPAIRS, merges=True,
    ),
}  # fmt: skip
