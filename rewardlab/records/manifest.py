"""`manifest.json`: how a run was made, beside what it produced."""

import dataclasses
import os
import platform
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rewardlab import machine
from rewardlab.errors import one_line
from rewardlab.records.files import now, plain

SCHEMA_VERSION = 1
PACKAGES = (
    "rewardlab",
    "torch",
    "numpy",
    "numba",
    "gymnasium",
    "minigrid",
    "hydra-core",
    "omegaconf",
)  # those that can change a run's numbers
# Where two sessions of a run differ in one of these, its numbers may differ from those of an unbroken run.
_CIRCUMSTANCES = ("git_sha", "git_dirty", "packages", "hardware", "device", "backend")
_PROCESSOR = ("cpu", "gpu", "platform")  # what of the hardware that concerns: never how many cores a run may use
_PACKAGE = Path(__file__).parents[1]


def build_manifest(
    *,
    config: Mapping[str, Any],
    setting_id: str,
    labels: Mapping[str, str],
    seed: int,
    frames: int,
    assumes: Iterable[str],
    task: Any,
    device: str,
    backend: str,
    command: Sequence[str] | None = None,
    code: Mapping[str, str] | None = None,
    writer: str | None = None,
    search: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Everything worth knowing of a run before its first step.

    Args:
        config: the resolved config by dotted key.
        setting_id: what the seeds of one setting share.
        labels: of env, reward, agent and perhaps curriculum: a choice and what differs from its defaults.
        frames: the budget.
        assumes: what the scheme and the rest assume.
        task: the task's facts, a dataclass or a mapping: random_return, optimal_return, optimum_kind, success.
        backend: the environment's engine.
        command: the command line; this process's by default.
        code: a hash of the source of each plug-in and of the package, by where it stands in the config.
        writer: who wrote the reward that was given as code. search: what it took to find it: frames, calls, tokens.

    Returns:
        JSON-ready values. The labels stand at the top, too: whoever groups manifests by `agent` must not get one group
        of eight settings of PPO. `run_id` is new with every call; `resume` is exact.
    """
    facts = dataclasses.asdict(task) if dataclasses.is_dataclass(task) and not isinstance(task, type) else dict(task)
    sha, dirty = git_state()
    every = {"curriculum": "none", **labels}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "run_id": f"{setting_id}-{seed}-{uuid.uuid4().hex[:8]}",
        "setting_id": setting_id,
        "labels": every,
        **every,
        "seed": seed,
        "frames": frames,
        "assumes": sorted(set(assumes)),
        "task": facts,
        "command": shlex.join(command if command is not None else [Path(sys.argv[0]).name, *sys.argv[1:]]),
        "code": code or {},
        "git_sha": sha,
        "git_dirty": dirty,
        "packages": package_versions(),
        "hardware": hardware(),
        "device": device,
        "backend": backend,
        "started_at": now(),
        "resume": "exact",
        "config": config,
        **({} if writer is None else {"writer": writer}),
        **({} if search is None else {"search": dict(search)}),
    }
    described: dict[str, Any] = plain(manifest)
    return described


def continued(
    previous: Mapping[str, Any], current: Mapping[str, Any], exact: bool, answers: bool = True
) -> dict[str, Any]:
    """The manifest of a run that goes on: its identity and start stay, and the continuation is noted.

    Args:
        previous: the manifest in the run's folder.
        current: the one that `build_manifest` gives for this session.
        exact: whether everything, running episodes included, goes on where it stood.
        answers: whether what a scheme asked for comes when it would have come.

    Returns:
        `current` with run_id and started_at of `previous`, and one more entry in `continuations`: when, and what is no
        longer as it was. `resume` is exact as long as every continuation was, in unchanged circumstances.
    """
    kept = {name: previous[name] for name in ("run_id", "started_at") if isinstance(previous.get(name), str)}
    earlier = previous.get("continuations")
    changed = [*differences(previous, current), *([] if exact else ["episodes"]), *([] if answers else ["answers"])]
    entry = {"at": current["started_at"], "changed": changed}
    resume = "exact" if previous.get("resume") == "exact" and not changed else "approximate"
    continuations = [*(earlier if isinstance(earlier, list) else []), entry]
    return {**current, **kept, "resume": resume, "continuations": continuations}


def differences(previous: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Names of the circumstances (code, versions, machine, device, engine) in which two manifests differ."""
    changed = [name for name in _CIRCUMSTANCES if _circumstance(previous, name) != _circumstance(current, name)]
    return ["code", *changed] if other_code(previous, current.get("code") or {}) else changed


def other_code(previous: Mapping[str, Any] | None, code: Mapping[str, str]) -> list[str]:
    """Where the code differs from that of a manifest; nothing where either does not tell."""
    before = (previous or {}).get("code")
    if not isinstance(before, Mapping) or not before or not code:
        return []
    return sorted(name for name in {*before, *code} if before.get(name) != code.get(name))


def _circumstance(manifest: Mapping[str, Any], name: str) -> Any:
    value = manifest.get(name)
    if name != "hardware" or not isinstance(value, Mapping):
        return value
    return {part: value.get(part) for part in _PROCESSOR}


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout that the package lives in, and whether its code differs from it; None without one."""
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != _PACKAGE.parent.resolve():
        return None, None  # installed, perhaps into a virtual environment inside some other checkout
    sha = _git("rev-parse", "--verify", "HEAD")
    changes = _git("status", "--porcelain", "--", "rewardlab", "conf", "hydra_plugins")
    return sha, None if changes is None else bool(changes)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a run's numbers, from their metadata."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def hardware() -> dict[str, Any]:
    """CPU model, the cores that this process may use and those there are, memory, system, and a GPU that torch uses."""
    described: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": machine.cores(),
        "cores_total": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "platform": platform.platform(),
    }
    torch = sys.modules.get("torch")  # never imported for this
    if torch is not None and torch.cuda.is_initialized():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _git(*arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE.parent), *arguments],
            capture_output=True,
            timeout=10,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return one_line(line.partition(":")[2], 100)
    except OSError:
        pass
    if sys.platform == "darwin":
        try:
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return one_line(subprocess.run(asked, capture_output=True, timeout=5, check=True).stdout.decode(), 100)
        except (OSError, subprocess.SubprocessError):
            pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None
