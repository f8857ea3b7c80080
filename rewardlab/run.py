"""The main job: build what the config names, train it, write down how it went."""

import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

import yaml

from rewardlab import discovery
from rewardlab.config import loggers
from rewardlab.config.code import code_of
from rewardlab.config.composition import Prepared
from rewardlab.config.identity import shown_labels
from rewardlab.errors import Diverged, Interrupted, OfTheTask, Paused, one_line, placed
from rewardlab.networks.picture import network_for, reads_as_picture
from rewardlab.parts.written_code import search_of, writer_of
from rewardlab.records import archive
from rewardlab.records.continuation import ANEW, Decision, decide, told
from rewardlab.records.files import Damaged
from rewardlab.records.lock import Locked
from rewardlab.records.loggers.side import finish_all
from rewardlab.records.manifest import build_manifest, continued, other_code
from rewardlab.records.progress import Progress
from rewardlab.records.status import read_status
from rewardlab.records.store import EVAL, MANIFEST, RunStore
from rewardlab.records.summary import summarise
from rewardlab.records.table import read_columns
from rewardlab.schemas import RootConfig
from rewardlab.stopping import Stop, stop_by_signals
from rewardlab.threads import use_one_thread
from rewardlab.training.build import build
from rewardlab.training.levels import evaluated_task
from rewardlab.training.loop import Training
from rewardlab.training.parts import RunParts
from rewardlab.training.reward_map import reward_map
from rewardlab.types import EnvSpec, State, TaskFacts


def run(prepared: Prepared, parts: RunParts | None = None) -> int:
    """Do one run, or find it done. Returns the exit code.

    Args:
        parts: what `validated` built for this very config, where that was asked before.

    Raises:
        UserError: the parts do not fit together; nothing has been written.
    """
    if prepared.config.device == "cpu":
        use_one_thread()  # one process per core beats threads inside an update
    decision = decide(prepared.folder, prepared.config.overwrite, pause_at=prepared.config.pause_at)
    if decision.settled is not None:
        return _settled(prepared, decision)
    parts = parts or build(prepared.config)
    store = RunStore(prepared.folder)
    try:
        with stop_by_signals() as stop, store.lock():  # a signal that comes in between must not leave a lone lock
            # Another process may just have finished it.
            decision = decide(prepared.folder, prepared.config.overwrite, True, prepared.config.pause_at)
            if decision.settled is not None:
                return _settled(prepared, decision)
            if decision.action == "damaged":
                return _damaged(store, decision.reason)
            checkpoint = None
            if decision.action == "start":
                _make_room(store, decision)
            else:
                checkpoint = store.load_checkpoint()
                if checkpoint is None:
                    reason = store.checkpoint_problem()
                    store.set_status("failed", store.frames(), reason, "damaged")
                    return _damaged(store, f"{reason}: not continued; {ANEW}")
                _say_what_is_other(prepared, store, decision)
            return _train(prepared, parts, store, checkpoint, stop)
    except Locked as locked:
        return _settled(prepared, Decision("locked", str(locked)))


def validated(config: RootConfig) -> RunParts:
    """A run's parts, for `run` or to be thrown away.

    Raises:
        UserError: they do not fit together.
    """
    return build(config)


def _settled(prepared: Prepared, decision: Decision) -> int:
    print(f"{prepared.folder}: {told(decision, prepared.folder, code_of(prepared.config))}", flush=True)
    return decision.exit_code


def _damaged(store: RunStore, reason: str) -> int:
    _say(store, reason)
    return 1


def _say(store: RunStore, line: str) -> None:
    """To whoever watches, and to run.log for whoever looks later."""
    print(f"{store.folder}: {one_line(line)}", file=sys.stderr, flush=True)
    store.log(one_line(line))


def _make_room(store: RunStore, decision: Decision) -> None:
    """Remove what an earlier run left; what a damaged one left is put aside."""
    aside = store.set_aside() if decision.keep else None
    if aside is not None:
        _say(store, f"{decision.reason}; what was there is kept in {aside.name}/")
    else:
        store.clear()


def _flattened(config: RootConfig, spec: EnvSpec) -> str:
    """What to say of a network that reads a picture as so many numbers; nothing where none does."""
    image = spec.obs.get("image")
    if getattr(config.agent, "network", "") != "mlp" or image is None or not reads_as_picture(image):
        return ""
    shape = " x ".join(map(str, image.shape))
    return f"agent.network=mlp flattens pictures of {shape}; {network_for(image.shape)} reads them by convolutions"


def _say_what_is_other(prepared: Prepared, store: RunStore, decision: Decision) -> None:
    """A run can go on under other code, and without two of its files, which are written anew; not without a word."""
    if (problem := read_status(store.folder)[1]) != "":
        _say(store, decision.reason if problem in decision.reason else f"{problem}: {decision.reason}")
    if changed := other_code(store.manifest(), code_of(prepared.config)):
        _say(store, f"continued under other code than it began with ({', '.join(changed)}); its manifest says so")
    if (problem := store.manifest_problem()) != "":
        kept = store.keep_copy(MANIFEST)
        _say(store, f"{problem}: made anew{f', the old one is kept as {kept}' if kept else ''}; the run goes on")


def _train(prepared: Prepared, parts: RunParts, store: RunStore, checkpoint: State | None, stop: Stop) -> int:
    config, spec = prepared.config, parts.env.spec
    task = evaluated_task(config, spec)
    before = store.manifest() if checkpoint is None else store.manifest() or {}  # {}: lost, so nothing is known of it
    frames = checkpoint["frames"] if checkpoint else 0
    manifest = build_manifest(
        config=prepared.flat,
        setting_id=prepared.setting_id,
        labels=prepared.labels,
        seed=config.seed,
        frames=config.frames,
        assumes=parts.assumes,
        task=task,
        device=config.device,
        backend=spec.backend,
        command=["rewardlab", "run", *prepared.flags, *prepared.overrides],
        code=code_of(config),
        writer=writer_of(parts.scheme.code) if parts.scheme.code else None,
        search=search_of(parts.scheme.code),
    )
    if before is None:
        store.write_manifest(manifest)
    store.write_config(yaml.safe_dump(prepared.resolved, sort_keys=False))
    if parts.scheme.code:
        store.write_code(parts.scheme.code)
    store.set_status("running", frames)
    if checkpoint is None and (flattened := _flattened(config, spec)):
        _say(store, flattened)
    labels = " ".join(shown_labels(prepared.labels))
    progress = Progress(config.frames, f"{labels} seed{config.seed}", start_frames=frames)
    stop.out_of_time = lambda number: _end_at_once(store, training, number)
    side_processes = [
        discovery.load(loggers.GROUP, stem).start(each, prepared.folder)
        for stem, each in loggers.apart(config.logger).items()
    ]
    training: Training | None = None
    state, code = "failed", 1
    error: str | BaseException | None = None
    kind: str | None = None
    where = ""
    try:
        with store.pulse(lambda: training.frames if training else frames):
            training = _begin(config, parts, store, checkpoint, progress, stop)
            if before is not None:
                store.write_manifest(continued(before, manifest, exact=training.exact, answers=parts.scheme.exact))
            training.run()
        stop.out_of_time = lambda number: None  # what is left to write is little, and makes it a finished run
        store.write_summary(_summary(store, task, training))
        store.save_policy(parts.agent.policy_state_dict())
        found, mapped = training.arrays(), reward_map(config, parts)
        for name, arrays in (found if mapped is None else {**found, archive.REWARD_MAP: mapped}).items():
            store.save_arrays(name, arrays)
        state, code = "finished", 0
    except Interrupted as interrupt:
        state, error, code = "interrupted", str(interrupt), interrupt.exit_code
    except Paused:
        state, code = "paused", 0
        where = (
            f" at frame {training.frames if training else frames} of {config.frames}; a larger pause_at continues it"
        )
    except Diverged as diverged:
        state, error = "diverged", f"after frame {training.frames if training else frames}: {diverged}"
    except OfTheTask as fault:
        error = f"after frame {training.frames if training else frames}: {fault}"
    except KeyboardInterrupt:
        state, error, code = "interrupted", "ended at once by a second signal", 130
    except Damaged as damaged:
        error, kind = f"{damaged}: not continued; {ANEW}", "damaged"
        with suppress(OSError):
            store.log(error)
    except Exception as exception:
        error = exception
        where = f"; traceback in {store.folder}/run.log"
        with suppress(OSError):
            store.log(traceback.format_exc())
    progress.close()
    with suppress(OSError):  # on a full disk the status stays `running`, from which the run continues as well
        store.set_status(state, training.frames if training else frames, error, kind)
        if state in ("finished", "diverged"):  # neither is ever continued
            store.drop_replays()
    finish_all(side_processes, timeout=2.0, hurry=state == "interrupted")
    if state == "interrupted":
        where = "; the same command continues it"
    said = placed(error) if isinstance(error, BaseException) else error
    print(f"{prepared.folder}: {state}{f': {one_line(said)}' if said else ''}{where}", file=sys.stderr, flush=True)
    return code


def _begin(
    config: RootConfig,
    parts: RunParts,
    store: RunStore,
    checkpoint: State | None,
    progress: Progress,
    stop: Stop,
) -> Training:
    try:
        return Training(config, parts, store, checkpoint, progress, stop)
    except Damaged:
        raise
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        if checkpoint is None:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise Damaged(f"its checkpoint does not fit ({reason})") from error


def _summary(store: RunStore, task: TaskFacts, training: Training) -> dict[str, Any]:
    rows = read_columns(store.folder / EVAL)
    return summarise(
        frames=rows["frames"],
        return_mean=rows["return_mean"],
        success_rate=None if task.success is None else rows["success_rate"],
        random_return=task.random_return,
        optimal_return=task.optimal_return,
        fps_mean=training.fps_mean,
        wall_seconds=training.clock.wall_seconds(),
        cpu_seconds=training.clock.cpu_seconds(),
        budget=training.config.frames,
    )


def _end_at_once(store: RunStore, training: Training | None, number: int) -> None:
    """End a run whose step under way takes too long, from another thread: its last checkpoint stands."""
    while training is not None and training.saving:
        time.sleep(0.1)
    frames = training.frames if training else 0
    with suppress(OSError):
        store.set_status("interrupted", frames, f"signal {number}: a step took too long to wait for its end")
    print(f"{store.folder}: interrupted: goes back to its last checkpoint", file=sys.stderr, flush=True)
    os._exit(128 + number)
