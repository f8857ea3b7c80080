"""Makes run folders as a real run leaves them, from chosen numbers."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rewardlab.report.build import build_report
from rewardlab.report.gather import labelled
from rewardlab.report.options import Options, ReportResult

HOSTILE = '<script>alert("1")</script></script>&$x^2$ | \\input{x} \u202e\x00\ud800\n_{}%#'
FRAMES = tuple(range(0, 100_001, 5_000))


def make(*paths: Path | str, out: Path | None = None, **options: Any) -> ReportResult:
    """The report of some results folders."""
    return build_report(labelled([str(path) for path in paths]), Options(out=out, **options))


def write_run(
    results: Path,
    *,
    env: str = "doorkey_5x5",
    reward: str = "rnd",
    agent: str = "ppo",
    curriculum: str = "none",
    seed: int = 0,
    returns: Sequence[float] = (0.0, 0.5, 0.9, 0.95),
    frames: Sequence[int] | None = None,
    state: str = "finished",
    budget: int | None = None,
    setting_id: str | None = None,
    folder: str | None = None,
    success: bool = True,
    config: dict[str, Any] | None = None,
    training: dict[str, Sequence[float]] | None = None,
    evaluated: dict[str, Sequence[float]] | None = None,
    picture: bytes | None = None,
    status: dict[str, Any] | None = None,
    **manifest: Any,
) -> Path:
    """Writes one run folder and returns it; further keywords replace keys of the manifest."""
    frames = list(frames if frames is not None else np.arange(len(returns)) * 10_000)
    budget = budget if budget is not None else int(frames[-1]) if frames else 10_000
    labels = f"{env}-{reward}-{agent}-{curriculum}".encode("utf-8", "surrogatepass")
    setting_id = setting_id or hashlib.sha256(labels).hexdigest()
    where = results / "runs" / (folder or f"{env}/{reward}/{agent}/seed{seed}-{setting_id[:8]}")
    where.mkdir(parents=True)
    facts = {
        "schema_version": 1,
        "config": {"env": env, "reward": reward, "agent": agent, "seed": seed, "frames": budget} | (config or {}),
        "run_id": f"{setting_id[:8]}-{seed}",
        "setting_id": setting_id,
        "labels": {"env": env, "reward": reward, "agent": agent, "curriculum": curriculum},
        "env": env,
        "reward": reward,
        "agent": agent,
        "curriculum": curriculum,
        "seed": seed,
        "frames": budget,
        "assumes": [],
        "task": {"random_return": 0.0, "optimal_return": 1.0, "optimum_kind": "exact", "success": "goal"},
        "command": f"rewardlab run env={env} reward={reward} seed={seed}",
        "git_sha": "0" * 40,
        "packages": {"numpy": "2.4.6", "torch": "2.13.0"},
        "hardware": {"cpu": "a processor"},
        "device": "cpu",
        "backend": "minigrid",
        "started_at": "2026-01-01T00:00:00Z",
    } | manifest
    (where / "manifest.json").write_text(json.dumps(facts))
    done = {"state": state, "frames": int(frames[-1]) if frames else 0, "error": None}
    (where / "status.json").write_text(json.dumps(done | (status or {})))
    with (where / "eval.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = "frames wall_seconds cpu_seconds episodes return_mean return_std success_rate length_mean"
        more = evaluated or {}
        writer.writerow([*columns.split(), *more])
        for at, value, *told in zip(frames, returns, *more.values(), strict=True):
            solved = repr(float(min(1.0, max(0.0, value / 0.95)))) if success else ""
            writer.writerow([at, at / 2000, at / 1000, 100, repr(float(value)), 0.1, solved, 50.0, *told])
    if training is not None:
        with (where / "train.csv").open("w", newline="", errors="replace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(training)
            writer.writerows(zip(*training.values(), strict=True))
    if picture is not None:
        (where / "play.gif").write_bytes(picture)
    return where


def write_study(results: Path, seeds: int = 5) -> None:
    """4 schemes x 2 environments: noisy sigmoids whose speed depends on the scheme."""
    speeds = {"none": 0.95, "count": 0.45, "rnd": 0.38, "icm": 0.6}
    for env, slowness in (("doorkey_5x5", 0.6), ("doorkey_8x8", 1.15)):
        for reward, speed in speeds.items():
            for seed in range(seeds):
                # Not `hash`: it differs from process to process.
                rng = np.random.default_rng([seed, *env.encode(), *reward.encode()])
                half = 100_000 * speed * slowness * math.exp(0.13 * rng.standard_normal())
                noise = 0.015 * rng.standard_normal(len(FRAMES))
                curve = np.clip(0.96 / (1 + np.exp(-(np.array(FRAMES) - half) / 7_000)) + noise, 0, 1)
                training = None if reward == "none" else bonus_that_fades(reward, curve)
                picture = gif() if seed == 0 else None
                write_run(results, env=env, reward=reward, seed=seed, frames=FRAMES, returns=curve.tolist(),
                          training=training, picture=picture)  # fmt: skip


def bonus_that_fades(reward: str, curve: Any) -> dict[str, Sequence[float]]:
    """A train.csv whose bonus falls as the task is learned, and whose states visited grow."""
    frames = np.array(FRAMES[1:])
    columns = {"frames": frames.tolist(), "reward/task_mean": (0.01 * curve[1:]).tolist()}
    columns["reward/intrinsic_mean"] = (0.3 * np.exp(-4 * curve[1:]) + 0.001).tolist()
    if reward == "count":
        columns["explore/states"] = np.round(400 * (1 - np.exp(-frames / 30_000))).tolist()
    return columns


def gif(size: int = 24) -> bytes:
    """Two frames of a moving square."""
    frames = []
    for place in (4, 12):
        image = Image.new("RGB", (size, size), "#eeeeee")
        image.paste("#0072B2", (place, 8, place + 8, 16))
        frames.append(image)
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=300, loop=0)
    return buffer.getvalue()
