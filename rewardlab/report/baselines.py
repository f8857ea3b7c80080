"""What each scheme is compared with."""

from collections.abc import Sequence

from rewardlab.errors import UserError, unknown
from rewardlab.report.study import Scheme, Study


def choose_baselines(study: Study, asked: str | None = None) -> dict[Scheme, Scheme]:
    """Scheme -> its baseline; schemes without one, and baselines themselves, are left out.

    Args:
        study: all runs.
        asked: a scheme's name, a reward's label or the label of a results folder. By default the same scheme in the
            first folder where folders are compared, else the scheme `none` that is otherwise alike.

    Raises:
        UserError: there is no such scheme or folder.
    """
    schemes = study.schemes
    folders = list(dict.fromkeys(scheme.folder for scheme in schemes))
    if asked is None and len(folders) > 1:
        asked = folders[0]
    if asked is not None and asked in folders and len(folders) > 1:
        there = {scheme.approach: scheme for scheme in schemes if scheme.folder == asked}
        pairs = {scheme: there.get(scheme.approach) for scheme in schemes if scheme.folder != asked}
    else:
        candidates = _named(study, asked) if asked is not None else [s for s in schemes if s.reward == "none"]
        pairs = {scheme: _nearest(scheme, candidates) for scheme in schemes if scheme not in candidates}
    return {scheme: baseline for scheme, baseline in pairs.items() if baseline is not None}


def _named(study: Study, asked: str) -> list[Scheme]:
    exact = [scheme for scheme in study.schemes if study.name(scheme) == asked]
    found = exact or [scheme for scheme in study.schemes if scheme.reward == asked]
    if not found:
        if not study.schemes:
            raise UserError(f"--baseline={asked}: there are no runs that can be read")
        names = {study.name(scheme) for scheme in study.schemes} | {scheme.folder for scheme in study.schemes} - {""}
        raise unknown("--baseline", asked, names, "scheme here")
    return found


def _nearest(scheme: Scheme, candidates: Sequence[Scheme]) -> Scheme | None:
    """The candidate that differs in the reward only; failing that, the only one."""
    for candidate in candidates:
        if (candidate.agent, candidate.curriculum, candidate.variant, candidate.folder) == (
            scheme.agent, scheme.curriculum, scheme.variant, scheme.folder,
        ):  # fmt: skip
            return candidate
    return candidates[0] if len(candidates) == 1 else None
