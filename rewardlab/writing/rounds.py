"""The loop: ask for rewards, check them, train on each, tell the writer what came of the best, and so on.

Papers: Ma et al. 2023, Eureka (arXiv:2310.12931): several samples a round, the best one's reflection; Xie et al. 2023,
Text2Reward (arXiv:2309.11489): one at a time, and errors go back to be repaired.

All that happens is a function of the files in the loop's folder: answers that are there are not asked for again, runs
that are finished are not trained again. So a loop that was ended goes on with the same command. Training runs are
ordinary runs, below `runs/`. Every frame of every candidate counts: `history.csv` adds them up.

Fitness is the largest success of an evaluation (Eureka), the last, or their mean. The best of many is better than it
would be again, by chance alone. So the chosen reward is trained once more with seeds of its own, and only these tell
how good it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rewardlab.config import composition
from rewardlab.config.saved import quoted
from rewardlab.errors import UserError
from rewardlab.language.extraction import code_in
from rewardlab.language.model import Answer, Message, Model, Purpose
from rewardlab.parts.written_state import StateLayout
from rewardlab.records.files import write_atomic
from rewardlab.records.status import read_status
from rewardlab.sandbox.process import printable
from rewardlab.schemas import RootConfig
from rewardlab.writing.acceptance import Verdict, judge
from rewardlab.writing.prompts import continued, first_messages
from rewardlab.writing.reflection import failure, reflection
from rewardlab.writing.sample import Sample

FITNESS = ("max", "final", "auc")
_REPAIRS = 5  # of text2reward, in a round
_FINAL = 1000  # seeds of the last training begin here


@dataclass(frozen=True)
class LoopOptions:
    """writer: eureka, or text2reward, whose rounds have one sample and up to five repairs.

    rounds, samples: how many. frames: of each training; 0: the first round is asked for and checked, and that is all.
    seed: of the loop. final_seeds: runs of the chosen reward. fitness: what of success counts. elitist: whether
    feedback is of the best so far, or of the round (as published). reflect: whether there is any; without, every round
    begins anew.
    """

    writer: str
    rounds: int
    samples: int
    frames: int
    seed: int
    final_seeds: int
    fitness: str = "max"
    elitist: bool = True
    reflect: bool = True


@dataclass
class Candidate:
    """One answer and what came of it. fitness: None where it was refused or its run failed. run: its folder."""

    purpose: Purpose
    answer: Answer
    verdict: Verdict
    code: Path
    fitness: float | None = None
    frames: int = 0
    run: Path | None = None
    feedback: str = ""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """What a reward is written for.

    overrides: of every run, as of `rewardlab run`. config: composed of them. words: the task in words.
    """

    overrides: tuple[str, ...]
    config: RootConfig
    words: str
    sample: Sample
    layout: StateLayout


def run_loop(folder: Path, model: Model, task: Task, options: LoopOptions) -> int:
    """Run what is left of a loop. Returns the exit code.

    Raises:
        UserError: the model has no answer, or no reward could be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begin = first_messages(task.words, task.layout)
    best: Candidate | None = None
    messages = begin
    history: list[Candidate] = []
    for number in range(options.rounds):
        found = _round(folder / f"round{number}", model, task, options, number, messages)
        if options.frames == 0:
            return _say_checks(found)
        runs = [each.run for each in history]
        for at, each in enumerate(found):
            if each.run is not None and each.run in [*runs, *(other.run for other in found[:at])]:
                each.frames = 0  # the same code once more: it was trained, and counted, before
        history += found
        good = [each for each in found if each.fitness is not None]
        leader = max(good, key=lambda each: each.fitness or 0.0) if good else None
        if leader is not None and (best is None or (leader.fitness or 0.0) > (best.fitness or 0.0)):
            best = leader
        told = best if options.elitist else leader
        if told is not None and options.reflect:
            messages = continued(begin, told.answer.text, told.feedback)
        _write_history(folder / "history.csv", history)
        _say(number, options.rounds, found, best)
    if best is None:
        raise UserError(f"{folder}: no reward could be used in {options.rounds} rounds; see its check files")
    write_atomic(folder / "best.py", best.code.read_bytes())
    return _finish(folder, task, options, history, best)


def _round(
    folder: Path, model: Model, task: Task, options: LoopOptions, number: int, messages: Sequence[Message]
) -> list[Candidate]:
    folder.mkdir(exist_ok=True)
    write_atomic(folder / "prompt.md", _shown(messages).encode())
    if options.writer == "text2reward":
        found = _repaired(folder, model, task, options, number, messages)
    else:
        found = [_candidate(folder, model, task, options, Purpose(number, k), messages) for k in range(options.samples)]
    if options.frames > 0:
        _train(folder.parent / "runs", task, options, [each for each in found if not each.problems])
    for each in found:
        write_atomic(folder / f"feedback{each.purpose.sample}.md", each.feedback.encode())
    return found


def _repaired(
    folder: Path, model: Model, task: Task, options: LoopOptions, number: int, messages: Sequence[Message]
) -> list[Candidate]:
    """Answers up to the first that can be used; errors of the others go back."""
    found = [_candidate(folder, model, task, options, Purpose(number, 0), messages)]
    begin = list(messages)[:2]
    while found[-1].problems and len(found) <= _REPAIRS:
        asked = continued(begin, found[-1].answer.text, failure(found[-1].problems))
        write_atomic(folder / f"prompt{len(found)}.md", _shown(asked).encode())
        found.append(_candidate(folder, model, task, options, Purpose(number, len(found)), asked))
    return found


def _candidate(
    folder: Path, model: Model, task: Task, options: LoopOptions, purpose: Purpose, messages: Sequence[Message]
) -> Candidate:
    answer = _answer(folder, model, purpose, messages)
    code = folder / f"candidate{purpose.sample}.py"
    # At its end, so that the lines of errors are those of the answer; and the last such line counts.
    source = f"{code_in(answer.text)}# writer: {printable(f'{options.writer}, {answer.model}')}\n"
    write_atomic(code, source.encode())
    verdict = judge(source, task.sample, task.layout, task.config)
    if not verdict.problems and verdict.kind not in ("reward", "split", "potential"):
        verdict.problems.append(f"defines {verdict.kind}, which is no reward")
    write_atomic(folder / f"check{purpose.sample}.json", json.dumps(asdict(verdict), indent=1).encode())
    feedback = failure(verdict.problems) if verdict.problems else ""
    return Candidate(purpose, answer, verdict, code, feedback=feedback, problems=verdict.problems)


def _answer(folder: Path, model: Model, purpose: Purpose, messages: Sequence[Message]) -> Answer:
    """The one on disk, or a new one that is written down at once."""
    text, facts = folder / f"answer{purpose.sample}.md", folder / f"answer{purpose.sample}.json"
    if text.is_file() and facts.is_file():
        return Answer(text.read_text(encoding="utf-8"), **json.loads(facts.read_text()))
    answer = model.ask(messages, purpose)
    write_atomic(text, answer.text.encode())
    told = {name: value for name, value in asdict(answer).items() if name != "text"}
    write_atomic(facts, json.dumps(told).encode())
    return answer


def _train(runs: Path, task: Task, options: LoopOptions, candidates: Sequence[Candidate]) -> None:
    """Train each for the loop's seed, all at once as one sweep, and note what came of it."""
    if not candidates:
        return
    _sweep(runs, task, options, [each.code for each in candidates], [options.seed])
    for each in candidates:
        folder = _run_folder(runs, task, options, each.code, options.seed)
        _note(each, folder, options)


def _sweep(runs: Path, task: Task, options: LoopOptions, codes: Sequence[Path], seeds: Sequence[int]) -> None:
    """Do the runs that are not finished."""
    left = [
        (code, seed)
        for code in codes
        for seed in seeds
        if _state(_run_folder(runs, task, options, code, seed)) != "finished"
    ]
    if not left:
        return
    codes, seeds = (list(dict.fromkeys(each)) for each in zip(*left, strict=True))
    listed, numbers = ",".join(quoted(str(code)) for code in codes), ",".join(map(str, seeds))
    words = [*_overrides(runs, task, options), f"reward.code={listed}", f"seed={numbers}"]
    subprocess.run([sys.executable, "-m", "rewardlab", "run", "-m", *words], check=False)


def _overrides(runs: Path, task: Task, options: LoopOptions) -> list[str]:
    own = ["reward=written", f"frames={options.frames}", f"results_dir={quoted(str(runs))}"]
    return [*task.overrides, *own]


def _run_folder(runs: Path, task: Task, options: LoopOptions, code: Path, seed: int) -> Path:
    words = [*_overrides(runs, task, options), f"reward.code={quoted(str(code))}", f"seed={seed}"]
    return composition.compose(words).folder


def _note(candidate: Candidate, folder: Path, options: LoopOptions) -> None:
    """What a run came to; one that failed is told to the writer like code that was refused."""
    candidate.run, state = folder, _state(folder)
    status, _ = read_status(folder)
    blameless = state == "failed" and status is not None and status.kind != "error"  # a full disk, a killed process
    if blameless or state not in ("finished", "failed", "diverged"):  # stopped, or at work for a loop that was killed
        raise UserError(f"{folder}: its training is {state}; the same command goes on with the loop once it has ended")
    if state != "finished":
        candidate.problems.append((status and status.error) or f"its training {state}")
        candidate.frames = status.frames if status else 0
        candidate.feedback = failure(candidate.problems)
        return
    evaluated, trained = pd.read_csv(folder / "eval.csv"), pd.read_csv(folder / "train.csv")
    score = "success_rate" if evaluated["success_rate"].notna().any() else "return_mean"
    values = evaluated[score].fillna(0.0).tolist()
    parts = {
        name.removeprefix("written/"): trained[name].dropna().tolist()
        for name in trained.columns
        if name.startswith("written/") and name not in ("written/nonfinite", "written/clipped")
    }
    candidate.fitness = {"max": max(values), "final": values[-1], "auc": sum(values) / len(values)}[options.fitness]
    candidate.frames = int(evaluated["frames"].iloc[-1])
    candidate.feedback = reflection(values, parts)


def _state(folder: Path) -> str:
    status, _ = read_status(folder)
    return "missing" if status is None else status.state


def _finish(folder: Path, task: Task, options: LoopOptions, history: Sequence[Candidate], best: Candidate) -> int:
    seeds = [_FINAL + options.seed * options.final_seeds + k for k in range(options.final_seeds)]
    final: list[Candidate] = []
    if seeds:
        _sweep(folder / "runs", task, options, [folder / "best.py"], seeds)
        for seed in seeds:
            again = Candidate(best.purpose, best.answer, best.verdict, folder / "best.py")
            _note(again, _run_folder(folder / "runs", task, options, again.code, seed), options)
            final.append(again)
    told: dict[str, Any] = {
        "best": str(best.purpose),
        "fitness": best.fitness,
        "final_seeds": seeds,
        "final": [each.fitness for each in final],
        "search_frames": sum(each.frames for each in history),
        "calls": len(history),
        "prompt_tokens": sum(each.answer.prompt_tokens for each in history),
        "answer_tokens": sum(each.answer.answer_tokens for each in history),
        "model": best.answer.model,
    }
    write_atomic(folder / "final.json", json.dumps(told, indent=1).encode())
    shown = ", ".join("failed" if each.fitness is None else f"{each.fitness:.2f}" for each in final)
    print(f"best: {best.purpose}, {options.fitness} {best.fitness:.2f}; again with {len(seeds)} new seeds: {shown}")
    print(f"{told['search_frames']:,} frames of search, {told['calls']} answers; {folder / 'best.py'}")
    return int(any(each.fitness is None for each in final))


def _write_history(file: Path, history: Sequence[Candidate]) -> None:
    rows = [
        {
            "round": each.purpose.round,
            "sample": each.purpose.sample,
            "accepted": not each.verdict.problems,
            "fitness": each.fitness,
            "frames": each.frames,
            "correlation": each.verdict.correlation,
            "prompt_tokens": each.answer.prompt_tokens,
            "answer_tokens": each.answer.answer_tokens,
            "seconds": each.answer.seconds,
            "model": each.answer.model,
            "problem": "; ".join(each.problems),
        }
        for each in history
    ]
    write_atomic(file, pd.DataFrame(rows).to_csv(index=False).encode())


def _say(number: int, rounds: int, found: Sequence[Candidate], best: Candidate | None) -> None:
    shown = ", ".join("failed" if each.fitness is None else f"{each.fitness:.2f}" for each in found)
    so_far = "none yet" if best is None else f"{best.fitness:.2f}"
    print(f"round {number + 1} of {rounds}: {shown}; best so far {so_far}", flush=True)


def _say_checks(found: Sequence[Candidate]) -> int:
    for each in found:
        print("\n".join([f"{each.code}: {each.verdict.kind or 'no reward'}", *each.verdict.lines()]))
    return int(all(each.problems for each in found))


def _shown(messages: Sequence[Message]) -> str:
    return "\n\n".join(f"## {message['role']}\n\n{message['content']}" for message in messages) + "\n"
