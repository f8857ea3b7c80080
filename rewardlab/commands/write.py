"""`rewardlab write env=E`: rewards written in rounds, or one that is only checked."""

import hashlib
from argparse import Namespace
from pathlib import Path

from rewardlab import starting
from rewardlab.config import composition
from rewardlab.errors import UserError, unknown
from rewardlab.facts import GRID
from rewardlab.language.model import KINDS, Model, OpenAI, Recorded, Scripted
from rewardlab.parts.written_state import facts_of, state_layout
from rewardlab.sandbox.process import available
from rewardlab.schemas import RootConfig

WRITERS = ("once", "eureka", "text2reward")


def main(given: Namespace) -> int:
    """Check one reward, or run a loop.

    Raises:
        UserError: what was asked for does not fit.
    """
    if (missing := available()) is not None:
        raise UserError(f"rewardlab write: {missing}")
    starting.over()
    prepared = composition.compose([*given.overrides, "reward=written"])
    config = prepared.config
    if given.code is not None:
        return _check(config, given.code)
    from rewardlab.writing.rounds import LoopOptions, Task, run_loop
    from rewardlab.writing.sample import sample_of

    facts = facts_of(config.env.ON_GRID)
    sample = sample_of(config, facts)
    layout = state_layout(sample.spec, facts, sample.before[GRID].shape[1:] if facts else ())
    once = given.writer == "once"
    options = LoopOptions(
        given.writer,
        1 if once else given.rounds,
        1 if once else given.samples,
        given.frames or config.frames,
        given.seed,
        given.final_seeds,
        given.fitness,
        not given.not_elitist,
        not given.no_reflection,
    )
    words = given.task or f"{sample.spec.id}; success: {sample.spec.task.success or 'the largest return'}"
    task = Task(tuple(given.overrides), config, words, sample, layout)
    told = repr((given.overrides, given.llm, given.model, options, words))
    name = f"{prepared.labels['env']}-{given.writer}-{given.llm.partition(':')[0]}"
    folder = Path(config.results_dir) / "writing" / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    return run_loop(folder, _model(given, layout), task, options)


def _model(given: Namespace, layout: object) -> Model:
    """Raises:
    UserError: there is no such model.
    """
    kind, _, where = given.llm.partition(":")
    if kind not in KINDS:
        raise unknown("--llm", given.llm, KINDS, "language model")
    if kind == "scripted":
        from rewardlab.writing.grammar import Grammar

        return Scripted(Grammar(layout, given.seed))  # type: ignore[arg-type]
    if kind == "recorded":
        if not Path(where).is_dir():
            raise UserError(f"--llm recorded:{where}: no such folder")
        return Recorded(Path(where))
    if given.model is None:
        raise UserError("--llm openai: name the model, as in --model gpt-oss-20b")
    return OpenAI(given.model, given.base_url, given.temperature, given.seed, given.timeout)


def _check(config: RootConfig, path: str) -> int:
    """Print what is found of a reward, without training. Returns 1 where it is refused."""
    from rewardlab.datasets.folders import code_file, codes
    from rewardlab.writing.acceptance import judge
    from rewardlab.writing.sample import sample_of

    file = code_file(path)
    if file is None:
        raise unknown("--code", path, codes(), "file, and no such name in conf/code")
    facts = facts_of(config.env.ON_GRID)
    sample = sample_of(config, facts)
    layout = state_layout(sample.spec, facts, sample.before[GRID].shape[1:] if facts else ())
    source = file.read_text(encoding="utf-8")
    verdict = judge(source, sample, layout, gamma=config.agent.gamma, coef=0.1, task_coef=1.0)
    print(f"{path} on {sample.spec.id}: {verdict.kind or 'no reward'}, {len(sample.action)} steps")
    for name, column in verdict.columns.items():
        print(f"  {name}: {column.least:g} to {column.most:g}, mean {column.mean:g}")
    if verdict.correlation is not None:
        print(f"  rank correlation with nearness to success: {verdict.correlation:.2f}")
    for kind, lines in (("warning", verdict.warnings), ("refused", verdict.problems)):
        for line in lines:
            print(f"  {kind}: {line}")
    return int(bool(verdict.problems))
