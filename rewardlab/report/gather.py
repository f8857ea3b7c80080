"""From the paths of a command line to the runs below them, compared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rewardlab.errors import UserError
from rewardlab.report.comparison import Comparison, assemble
from rewardlab.report.filters import keep
from rewardlab.report.helpers import Helpers
from rewardlab.report.reading.collection import Found, find_runs, read_found
from rewardlab.report.reading.plain import clean
from rewardlab.report.scaling import UNCHANGED, Scaling


def labelled(paths: Sequence[str]) -> list[tuple[str, Path]]:
    """Results folders as the command line gives them: `PATH`, or `LABEL=PATH` where several are compared.

    Raises:
        UserError: a label without a path, or the other way round.
    """
    pairs = []
    for text in dict.fromkeys(paths):
        label, equals, rest = text.partition("=")
        if equals and not Path(text).exists():
            if not label or not rest:
                raise UserError(f"{text}: write LABEL=PATH")
            pairs.append((clean(label, 60), Path(rest)))
        else:
            pairs.append(("", Path(text)))
    if len(pairs) == 1:
        return [("", path) for _, path in pairs]
    names = [label or clean(path.resolve().name, 60) for label, path in pairs]
    return [
        (name if label or names.count(name) == 1 else clean(str(path), 60), path)
        for name, (label, path) in zip(names, pairs, strict=True)
    ]


def find(roots: Sequence[tuple[str, Path]]) -> list[Found]:
    """Folders of runs below results folders.

    Raises:
        UserError: none is given, one is missing, two have one label, or they hold no run.
    """
    if not roots:
        raise UserError("report: no folder given")
    for _, path in roots:
        if not path.is_dir():
            raise UserError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}")
    labels = [label for label, _ in roots]
    if len(set(labels)) < len(labels):
        raise UserError(f"report: two folders are named {max(labels, key=labels.count)}; name them: LABEL=PATH")
    found = find_runs(roots)
    if not found:
        names = ", ".join(str(path) for _, path in roots)
        raise UserError(f"{names}: no runs found (a run is a folder that holds manifest.json)")
    return found


def comparison_of(results: Path) -> Comparison:
    """All runs of one results folder.

    Raises:
        UserError: it is missing, or holds no run.
    """
    roots = [("", results)]
    return compare(find(roots), roots, ())[0]


def compare(
    found: Sequence[Found],
    roots: Sequence[tuple[str, Path]],
    filters: Sequence[str],
    scaling: Scaling = UNCHANGED,
    helpers: Helpers | None = None,
) -> tuple[Comparison, Comparison]:
    """All runs put in order, and those of them that pass the filters; `helpers` as in `read_found`."""
    read = scaling.applied(read_found(found, helpers))
    whole = replace(assemble(read, [label for label, _ in roots]), thresholds=scaling.thresholds)
    return whole, whole.restricted(keep(whole.runs, filters)) if filters else whole
