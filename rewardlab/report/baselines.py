"""What each scheme is compared with."""

from collections.abc import Sequence

from rewardlab.errors import UserError, unknown
from rewardlab.report.comparison import Comparison
from rewardlab.report.names import Method

OFFLINE = "offline"  # among what runs assume


def choose_baselines(comparison: Comparison, asked: str | None = None) -> dict[Method, Method]:
    """Scheme -> its baseline; schemes without one, and baselines themselves, are left out.

    One is asked for by a scheme's name, a reward's or agent's label, or the label of a results folder. By default it is
    the same scheme in the first folder where folders are compared, else the scheme `none` that is otherwise alike.
    What learned from a data set is not compared with what played.

    Raises:
        UserError: there is no such scheme or folder.
    """
    methods = comparison.methods
    folders = list(dict.fromkeys(method.folder for method in methods))
    if asked is None and len(folders) > 1:
        asked = folders[0]
    if asked is not None and asked in folders and len(folders) > 1:
        there = {method.approach: method for method in methods if method.folder == asked}
        pairs = {method: there.get(method.approach) for method in methods if method.folder != asked}
    else:
        candidates = _named(comparison, asked) if asked is not None else [s for s in methods if s.reward == "none"]
        offline = {setting.method for setting in comparison.settings if OFFLINE in setting.assumes}
        pairs = {
            method: _nearest(method, [each for each in candidates if (each in offline) == (method in offline)])
            for method in methods
            if method not in candidates
        }
    return {method: baseline for method, baseline in pairs.items() if baseline is not None}


def _named(comparison: Comparison, asked: str) -> list[Method]:
    exact = [method for method in comparison.methods if comparison.name(method) == asked]
    found = exact or [method for method in comparison.methods if asked in (method.reward, method.agent)]
    if not found:
        if not comparison.methods:
            raise UserError(f"--baseline={asked}: there are no runs that can be read")
        names = {comparison.name(method) for method in comparison.methods} | {
            method.folder for method in comparison.methods
        } - {""}
        raise unknown("--baseline", asked, names, "scheme here")
    return found


def _nearest(method: Method, candidates: Sequence[Method]) -> Method | None:
    """The candidate that differs in the reward only; failing that, the only one."""
    for candidate in candidates:
        if (candidate.agent, candidate.curriculum, candidate.variant, candidate.folder) == (
            method.agent, method.curriculum, method.variant, method.folder,
        ):  # fmt: skip
            return candidate
    return candidates[0] if len(candidates) == 1 else None
