"""`rewardlab distance`: how far apart rewards are on a small task, once shaping and scale are taken out."""

import csv
import io
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from rewardlab import starting, trained
from rewardlab.config import composition, expansion
from rewardlab.errors import UserError, unknown
from rewardlab.maths.ranks import rank_correlation
from rewardlab.maths.reward_distance import CANONICAL, canonical, distance, regret
from rewardlab.records.files import write_atomic
from rewardlab.report.pages.charts import PairChart
from rewardlab.report.pages.drawing import draw_figures
from rewardlab.schemas import RootConfig
from rewardlab.threads import use_one_thread
from rewardlab.training.build import build
from rewardlab.training.levels import evaluation_list
from rewardlab.training.parts import RunParts
from rewardlab.training.step_rewards import SmallTask, check_scheme, small_task, step_reward
from rewardlab.types import Array

_LOST = "regret of the row's reward"
_ENOUGH = 10  # pairs, from which on a correlation is told
_HEADER = ("first", "second", "canonicalisation", "weighted", "distance", "regret_first", "regret_second")


@dataclass(frozen=True)
class _Named:
    """One reward: its name, the config of its run, that run's folder if it is trained."""

    name: str
    config: RootConfig
    folder: Path | None = None


@dataclass(frozen=True)
class _Pair:
    """Two rewards: their distance by each canonicalisation, and what each loses where the other's best is done."""

    first: str
    second: str
    distances: dict[str, float]
    lost: tuple[float, float]


def main(given: Namespace) -> int:
    """Compare the rewards that the flags name; returns the exit code."""
    canons = _canons(given.canon)
    use_one_thread()
    rewards = _rewards(given.overrides, given.run)
    config = rewards[0].config
    gamma = config.agent.gamma
    if not gamma < 1:
        raise UserError(f"agent.gamma={gamma:g}: must be below 1, since a shift is shaping only there")
    starting.over()
    built = [(each, _parts(each)) for each in rewards]
    for each, parts in built:
        check_scheme(each.config, parts, each.folder is not None)
        if each.config.agent.gamma != gamma:
            raise UserError(f"{each.name}: agent.gamma={each.config.agent.gamma:g} there, and {gamma:g} elsewhere")
    facts = tuple(dict.fromkeys(fact for each in rewards for fact in each.config.reward.privileged()))
    level = evaluation_list(config)[0] if given.level is None else given.level
    task = small_task(config, level, facts)
    with torch.no_grad():
        paid = {each.name: _paid(each, parts, task) for each, parts in built}
    pairs = _compared(paid, canons, task, gamma, given.weighted)
    label = composition.compose(_env_only(given.overrides)).labels["env"]
    out = Path(config.results_dir, "distance", label) if given.out is None else Path(given.out).expanduser()
    _write(out, pairs, list(paid), canons, given.weighted, f"{label}, level {level}, discount {gamma:g}")
    _tell(pairs, canons, len(task.ends), out)
    return 0


def _canons(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in CANONICAL:
            raise unknown("--canon", name, CANONICAL, "canonicalisation")
    return names


def _env_only(overrides: Sequence[str]) -> list[str]:
    return [text for text in overrides if text.lstrip("+").partition("=")[0].partition(".")[0] == "env"]


def _rewards(overrides: Sequence[str], runs: Sequence[str]) -> list[_Named]:
    """Those of the combinations of the overrides, and those of runs; each has a name of its own.

    Raises:
        UserError: no environment, several of them, or fewer than two rewards.
    """
    if not _env_only(overrides):
        raise UserError("distance: name the task and the rewards, as in env=empty_6x6 reward=none,pbrs")
    found: list[_Named] = []
    if any(text.lstrip("+").startswith("reward") for text in overrides) or not runs:
        jobs, _ = expansion.valid_jobs(list(overrides), None, lambda config: None)
        assert jobs is not None, "hydra's sweeper is the usual one"
        prepared = [composition.compose(job) for job in jobs]
        if len({each.labels["env"] for each in prepared}) > 1:
            raise UserError("distance: all rewards are compared on one task; name one env")
        found = [_Named(each.labels["reward"], each.config) for each in prepared]
    base = found[0].config if found else composition.compose(list(overrides)).config
    for text in runs:
        folder = trained.find_run(text)
        own = trained.run_config(folder)
        if replace(own.env, name="") != replace(base.env, name=""):
            raise UserError(f"--run {text}: was trained on another task, or with other options of it; set env as there")
        found.append(_Named(f"{own.reward.plugin} of {folder.name}", own, folder))
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"distance: two rewards are called {twice}; only options of rewards may have several values")
    if len(found) < 2:
        raise UserError("distance: needs two rewards or more, as in reward=none,pbrs")
    return found


def _parts(reward: _Named) -> RunParts:
    if reward.folder is not None:
        return trained.paid_by(reward.folder, reward.config)
    parts = build(reward.config)
    parts.env.close()
    return parts


def _paid(reward: _Named, parts: RunParts, task: SmallTask) -> Array:
    return step_reward(reward.config, parts, task, reward.folder is not None)


def _compared(
    paid: dict[str, Array], canons: Sequence[str], task: SmallTask, gamma: float, weighted: bool
) -> list[_Pair]:
    chance = task.mdp.chance
    made = {
        (canon, name): canonical(canon, reward, chance, gamma, weighted)
        for canon in canons
        for name, reward in paid.items()
    }
    weight = chance if weighted else None
    return [
        _Pair(
            one,
            other,
            {canon: distance(made[canon, one], made[canon, other], weight) for canon in canons},
            (regret(paid[one], paid[other], task.mdp, gamma), regret(paid[other], paid[one], task.mdp, gamma)),
        )
        for one, other in combinations(paid, 2)
    ]


def _correlations(pairs: Sequence[_Pair], canons: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Of each canonicalisation, Pearson's and Spearman's with the mean regret; none of fewer than ten pairs."""
    if len(pairs) < _ENOUGH:
        return {}
    lost = np.array([sum(pair.lost) / 2 for pair in pairs])
    found = {}
    for canon in canons:
        apart = np.array([pair.distances[canon] for pair in pairs])
        pearson = float(np.corrcoef(apart, lost)[0, 1]) if apart.std() > 0 and lost.std() > 0 else float("nan")
        found[canon] = (pearson, rank_correlation(apart, lost))
    return found


def _write(
    out: Path, pairs: Sequence[_Pair], names: Sequence[str], canons: Sequence[str], weighted: bool, title: str
) -> None:
    rows = [
        (pair.first, pair.second, canon, int(weighted), repr(pair.distances[canon]), *map(repr, pair.lost))
        for pair in pairs
        for canon in canons
    ]
    place = {name: k for k, name in enumerate(names)}
    squares = {f"distance by {canon}": np.zeros((len(names), len(names))) for canon in canons}
    squares[_LOST] = np.zeros((len(names), len(names)))
    for pair in pairs:
        i, k = place[pair.first], place[pair.second]
        for canon in canons:
            square = squares[f"distance by {canon}"]
            square[i, k] = square[k, i] = pair.distances[canon] / 2
        squares[_LOST][i, k], squares[_LOST][k, i] = pair.lost
    label = "half of the distance, or share of what can be lost"
    chart = PairChart("distance", title, label, 1.0, tuple(names), tuple(squares.items()))
    files = [("distance.csv", _table(_HEADER, rows)), *draw_figures([chart])]
    if correlations := _correlations(pairs, canons):
        told = [(canon, len(pairs), repr(pearson), repr(ranks)) for canon, (pearson, ranks) in correlations.items()]
        files.append(("correlation.csv", _table(("canonicalisation", "pairs", "pearson", "spearman"), told)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files:
            write_atomic(out / name, content)
    except OSError as error:
        raise UserError(f"{out}: can't be written ({error.strerror})") from None


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def _tell(pairs: Sequence[_Pair], canons: Sequence[str], states: int, out: Path) -> None:
    print(f"{states} states; distances from 0 to 2; regret of each reward where the other's best policy plays, 0 to 1")
    for pair in pairs:
        apart = "  ".join(f"{canon} {pair.distances[canon]:.3f}" for canon in canons)
        print(f"{pair.first} | {pair.second}  {apart}  regret {pair.lost[0]:.3f} {pair.lost[1]:.3f}")
    for canon, (pearson, ranks) in _correlations(pairs, canons).items():
        print(f"{canon}: correlation with regret {pearson:.2f}, of ranks {ranks:.2f}, over {len(pairs)} pairs")
    print(out)
