"""`rewardlab write env=E`: rewards written in rounds, or one that is only checked."""

from __future__ import annotations

import hashlib
from argparse import Namespace
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
    """Check one reward, or run a loop.

    Raises:
        UserError: what was asked for does not fit.
    """
    if (missing := available()) is not None:
        raise UserError(f"rewardlab write: {missing}")
    starting.over()
    for word in given.overrides:
        if (key := word.partition("=")[0]) in _OURS:
            raise UserError(f"{word}: rewardlab write sets {key} itself{_OURS[key]}")
    try:
        source = None if given.code is None else read_code(given.code, "--code")
    except ValueError as error:
        raise UserError(str(error)) from None
    writer = WRITERS[given.writer]
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
    once = given.writer == "once"
    options = LoopOptions(
        given.writer,
        1 if once else given.rounds or writer.rounds,
        1 if once else given.samples or writer.samples,
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
    recorded = None if given.record is None else Path(given.record).expanduser()
    model = _model(given, layout, writer.kinds[0])
    try:
        return run_loop(folder, model, task, options, recorded)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: can't be written ({error.strerror or error})") from None


def _model(given: Namespace, layout: StateLayout, asked: str) -> Model:
    """Raises:
    UserError: there is no such model.
    """
    kind, _, where = given.llm.partition(":")
    if kind not in KINDS:
        raise unknown("--llm", given.llm, KINDS, "language model")
    if where and kind != "recorded":
        raise UserError(f"--llm {given.llm}: only recorded has a folder")
    if kind == "scripted":
        from rewardlab.writing.grammar import Grammar

        return Scripted(Grammar(layout, given.seed, asked))
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
