"""From folders of runs to a report: read, group, compute, write."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from rewardlab import starting
from rewardlab.errors import UserError, unknown
from rewardlab.records.files import read_json, write_json
from rewardlab.report.gather import find
from rewardlab.report.options import Options, ReportResult
from rewardlab.report.output import facts
from rewardlab.report.reading.cache import cache_folder, code_digest
from rewardlab.report.reading.collection import Found
from rewardlab.report.scaling import scaling

BY = ("env", "reward", "agent", "curriculum", "folder")


def build_report(roots: Sequence[tuple[str, Path]], options: Options | None = None) -> ReportResult:
    """Builds the report of all runs below (label, folder) pairs. Where nothing has changed, the last one stays.

    Raises:
        UserError: a folder is missing or holds no run, an option does not fit, or the report cannot be written.
    """
    options = options or Options()
    if options.by is not None and options.by not in BY:
        raise unknown("--by", options.by, BY, "key")
    if options.by == "folder" and len(roots) == 1:
        raise UserError("--by folder: there is only one")
    scaling(options.scales, options.thresholds)  # refused before anything is read
    found = find(roots)
    out = options.out if options.out is not None else roots[0][1] / "report"
    memory = cache_folder() / f"report-{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:24]}.json"
    digest = _digest(found, options)
    if (known := _remembered(memory, digest, out)) is not None:
        return known
    from rewardlab.report.writing import write_report  # pandas and jinja2, which the above does without

    starting.over()
    try:
        result = write_report(roots, found, options, out)
        _remember(memory, digest, result)
    except OSError as error:
        raise UserError(f"{out}: the report cannot be written ({error.strerror or error})") from None
    return result


def _digest(found: Sequence[Found], options: Options) -> str:
    """Of all that the report depends on; empty where a file is too young to be sure of."""
    if any(each.stamp is None for each in found):
        return ""
    digest = hashlib.sha256(code_digest().encode())
    digest.update(json.dumps([str(options), *((e.label, str(e.path.resolve()), e.stamp) for e in found)]).encode())
    return digest.hexdigest()


def _remembered(memory: Path, digest: str, out: Path) -> ReportResult | None:
    """The last report, if it was made of the same and is still there."""
    known = read_json(memory)[0] or {}
    if not digest or known.get("digest") != digest or not isinstance(known.get("files"), dict):
        return None
    paths = tuple(Path(name) for name in known["files"])
    if facts(paths) != known["files"]:
        return None
    return ReportResult(out, paths, str(known["text"]), tuple(known["warnings"]), again=True)


def _remember(memory: Path, digest: str, result: ReportResult) -> None:
    known = facts(result.files)
    if digest and known is not None:
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_json(memory, {"digest": digest, "files": known, "text": result.text, "warnings": result.warnings})
        except OSError:
            return  # without a place for it, the next report is made anew
