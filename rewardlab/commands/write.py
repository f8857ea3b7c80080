"""`rewardlab write env=E`: rewards written in rounds, or one that is only checked; lists of subgoals."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rewardlab import starting
from rewardlab.config import composition
from rewardlab.datasets.folders import answers_folder, read_code, recordings
from rewardlab.errors import UserError, unknown
from rewardlab.facts import GRID
from rewardlab.language.model import KINDS, Model, OpenAI, Recorded, Scripted
from rewardlab.parts.written_state import StateLayout, state_layout
from rewardlab.sandbox.process import available
from rewardlab.schemas import RootConfig
from rewardlab.types import Array, EnvSpec
from rewardlab.writing.writers import WRITERS

if TYPE_CHECKING:
    from rewardlab.writing.sample import Sample

_OURS = {  # options that the loop itself sets: why
    "reward": "",
    "reward.code": "; --code FILE checks one that is written",
    "reward.sandbox": "",
    "frames": ": --frames N",
    "seed": ": --seed S",
}


def main(given: Namespace) -> int:
    """Check one reward, run a loop, or write lists of subgoals.

    Raises:
        UserError: what was asked for does not fit.
    """
    if given.kind == "subgoals":
        return _write_subgoals(given)
    if given.runs is not None:
        raise UserError("--runs: of --kind subgoals; a loop has --final-seeds")
    if (missing := available()) is not None:
        raise UserError(f"rewardlab write: {missing}")
    starting.over()
    _refuse_ours(given.overrides)
    try:
        source = None if given.code is None else read_code(given.code, "--code")
    except ValueError as error:
        raise UserError(str(error)) from None
    writer = WRITERS[given.writer]
    if given.writer == "once" and (wrong := [name for name in ("rounds", "samples") if getattr(given, name)]):
        raise UserError(f"--writer once: one round of one sample; leave out --{wrong[0]}, or use --writer eureka")
    prepared = composition.compose([*given.overrides, *writer.reward, f"reward.code={writer.example}"])
    config = prepared.config
    from rewardlab.writing.asking import Task
    from rewardlab.writing.rounds import LoopOptions, run_loop
    from rewardlab.writing.sample import sample_of

    facts = config.reward.privileged()
    sample = sample_of(config, facts)
    layout = state_layout(sample.spec, facts, sample.before[GRID].shape[1:] if facts else ())
    if source is not None:
        return _check(config, given.code, source, sample, layout)
    options = LoopOptions(
        given.writer,
        given.rounds or writer.rounds,
        given.samples or writer.samples,
        config.frames if given.frames is None else given.frames,
        given.seed,
        given.final_seeds,
        given.fitness,
        not given.not_elitist,
        not given.no_reflection,
    )
    words = given.task or f"{sample.spec.id}; success: {sample.spec.task.success or 'the largest return'}"
    task = Task(tuple(given.overrides), config, words, sample, layout)
    told = repr((given.overrides, given.llm, given.model, given.temperature, options, words))
    name = f"{prepared.labels['env']}-{given.writer}-{given.llm.partition(':')[0]}"
    folder = Path(config.results_dir) / "writing" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    model = _model(given, lambda how: _scripted_reward(given, how, layout, writer.kinds[0]))
    try:
        return run_loop(folder, model, task, options, _recorded(given))
    except OSError as error:
        raise UserError(f"{error.filename or folder}: can't be written ({error.strerror or error})") from None


def _recorded(given: Namespace) -> Path | None:
    return None if given.record is None else Path(given.record).expanduser()


def _refuse_ours(overrides: list[str]) -> None:
    for word in overrides:
        if (key := word.partition("=")[0]) in _OURS:
            raise UserError(f"{word}: rewardlab write sets {key} itself{_OURS[key]}")


def _write_subgoals(given: Namespace) -> int:
    """Ask for a list of subgoals for each level."""
    starting.over()
    _refuse_ours(given.overrides)
    wrong = [f"--{name}" for name in ("code", "rounds", "samples", "frames") if getattr(given, name) is not None]
    if given.writer not in ("once", "eureka"):  # eureka: nothing was said
        wrong.append(f"--writer {given.writer}")
    if wrong:
        raise UserError(f"--kind subgoals: asks once for each level; leave out {wrong[0]}")
    prepared = composition.compose([*given.overrides, "reward=none", f"seed={given.seed}"])
    from rewardlab.writing.subgoals import grids_of, levels_of, write_lists

    config = prepared.config
    levels = levels_of(config, range(given.seed, given.seed + (given.runs or 1)))
    spec, grids = grids_of(config, levels)
    words = given.task or f"{spec.id}; success: {spec.task.success or 'the largest return'}"
    told = repr((given.overrides, given.llm, given.model, given.temperature, given.seed, given.runs, words))
    name = f"{prepared.labels['env'].replace('=', '-')}-subgoals-{given.llm.partition(':')[0]}"
    folder = Path(config.results_dir) / "writing" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    model = _model(given, lambda how: _scripted_subgoals(given, how, spec, grids))
    try:
        return write_lists(folder, model, words, spec, grids, _recorded(given))
    except OSError as error:
        raise UserError(f"{error.filename or folder}: can't be written ({error.strerror or error})") from None


def _scripted_reward(given: Namespace, how: str, layout: StateLayout, asked: str) -> Model:
    """Raises:
    UserError: there is no such one.
    """
    from rewardlab.writing.grammar import Grammar

    if how:
        raise UserError(f"--llm {given.llm}: only recorded has a folder")
    return Scripted(Grammar(layout, given.seed, asked))


def _scripted_subgoals(given: Namespace, how: str, spec: EnvSpec, grids: dict[int, Array]) -> Model:
    """Raises:
    UserError: there is no such one, or no exact lists are known.
    """
    from rewardlab.datasets.subgoal_lists import has_exact
    from rewardlab.writing.scripted_subgoals import MODELS, SubgoalAnswers

    if how and how not in MODELS:
        raise unknown("--llm", given.llm, [f"scripted:{name}" for name in MODELS], "measured model")
    if not has_exact(spec.id):
        raise UserError(
            f"--llm {given.llm}: no exact lists are known for {spec.id}, only for KeyCorridor, MultiRoom and DoorKey"
        )
    return Scripted(SubgoalAnswers(grids, MODELS.get(how), given.seed))


def _model(given: Namespace, scripted: Callable[[str], Model]) -> Model:
    """Args:
        scripted: makes the one of --llm scripted:HOW.

    Raises:
        UserError: there is no such model.
    """
    kind, _, where = given.llm.partition(":")
    if kind not in KINDS:
        raise unknown("--llm", given.llm, KINDS, "language model")
    if kind == "scripted":
        return scripted(where)
    if where and kind != "recorded":
        raise UserError(f"--llm {given.llm}: only recorded has a folder")
    if kind == "recorded":
        if (answers := answers_folder(where)) is None:
            raise unknown("--llm", given.llm, [f"recorded:{name}" for name in recordings()], "folder of answers")
        return Recorded(answers)
    if given.model is None:
        raise UserError("--llm openai: name the model, as in --model gpt-oss-20b")
    return OpenAI(given.model, given.base_url, given.temperature, given.seed, given.timeout)


def _check(config: RootConfig, path: str, source: str, sample: Sample, layout: StateLayout) -> int:
    """Print what is found of a reward, without training. Returns 1 where it is refused."""
    from rewardlab.writing.acceptance import judge

    verdict = judge(source, sample, layout, config)
    print(f"{path} on {sample.spec.id}: {verdict.kind or 'no reward'}, {len(sample.action)} steps")
    print("\n".join(verdict.lines()))
    return int(bool(verdict.problems))
