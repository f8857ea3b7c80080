"""The command line: parses, calls, prints. Every command imports what it needs when it runs."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NoReturn

from rewardlab import __version__
from rewardlab.errors import Interrupted, UserError

_DESCRIPTION = "An experiment runner for sparse-reward reinforcement learning."
_COMMANDS = {
    "run": "train one run, or a sweep with -m",
    "report": "write tables, figures and a page about finished runs",
    "show": "summarise one run, its curves as text",
    "status": "what the runs of a results folder are doing, live",
    "list": "show what there is to choose from",
    "play": "write a GIF of a run's policy at play",
    "demos": "record demonstrations of the exact solver or of a trained run",
    "bench": "time the engine and the training of every scheme, as ratios",
    "check": "test a reward scheme or an agent against the laws that all obey",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0; 1 any failed run; 2 bad input; 130 and 143 for signals."""
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        from rewardlab.records.files import one_line

        print(one_line(error, limit=10_000), file=sys.stderr)  # a sweep's refusal names many combinations
        return 2
    except Interrupted as error:
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has seen enough, as in `rewardlab list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        from rewardlab.application import report_internal_error

        report_internal_error(error)
        return 1


def _dispatch(argv: list[str]) -> int:
    if argv and argv[0] in ("-sc", "--shell-completion"):
        from rewardlab import completion

        return completion.answer(argv[1:], list(_COMMANDS))
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"rewardlab {__version__}")
        return 0
    command, *arguments = argv
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": _run, "report": _report, "show": _show, "status": _status, "list": _list, "play": _play,
        "demos": _demos, "bench": _bench, "check": _check,
    }  # fmt: skip
    if command not in commands:
        close = get_close_matches(command, _COMMANDS, n=1, cutoff=0.5)
        hint = f"; did you mean rewardlab {close[0]}?" if close else ""
        raise UserError(f"{command}: no such command{hint} (allowed: {', '.join(_COMMANDS)})")
    return commands[command](arguments)


class _Parser(argparse.ArgumentParser):
    """Bad input is one line, not a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in ("-sc", "--shell-completion"):
        from rewardlab import completion

        return completion.answer(arguments[1:], list(_COMMANDS))
    given = run_parser().parse_intermixed_args(arguments)
    if given.help:
        from rewardlab import usage

        print(usage.run_help(given.overrides, given.config_dir))
        return 0
    gc.disable()  # to look for garbage among what is imported and composed would take a tenth of the start
    from rewardlab import application

    show = {f"--{flag}": getattr(given, flag) for flag in ("cfg", "info", "package") if getattr(given, flag)}
    show |= {f"--{flag.replace('_', '-')}": None for flag in ("resolve", "hydra_help") if getattr(given, flag)}
    request = application.Request(given.overrides, given.multirun, given.config_dir, given.config, show)
    try:
        return application.run(request)
    finally:
        gc.unfreeze()
        gc.enable()


def run_parser() -> argparse.ArgumentParser:
    """The flags of `rewardlab run`: Hydra's, which may stand anywhere here, and `--config`."""
    parser = _Parser(prog="rewardlab run", add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("-cd", "--config-dir", metavar="DIR")
    parser.add_argument("-c", "--cfg", choices=("job", "hydra", "all"))
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-p", "--package")
    parser.add_argument("-i", "--info", choices=("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"))
    parser.add_argument("--hydra-help", action="store_true")
    return parser


def _report(arguments: list[str]) -> int:
    parser = _Parser(prog="rewardlab report", description="Write tables, figures and a page about finished runs.")
    parser.add_argument(
        "paths", nargs="*", metavar="[LABEL=]PATH", help="results folders, compared where several (default: results)"
    )
    parser.add_argument("--out", metavar="DIR", help="where the report goes (default: PATH/report)")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="KEY=VALUE", help="of which runs: env='doorkey*', seed<5, ..."
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="what schemes are compared with (default: none, or the first folder)"
    )
    parser.add_argument("--paired", action="store_true", help="take differences between runs of equal seed")
    parser.add_argument(
        "--by", metavar="KEY", help="tables once more for each env, reward, agent, curriculum or folder"
    )
    given = parser.parse_intermixed_args(arguments)
    from rewardlab.report.command import report

    return report(
        given.paths, given.out, filters=given.filter, baseline=given.baseline, paired=given.paired, by=given.by
    )


def _show(arguments: list[str]) -> int:
    parser = _Parser(prog="rewardlab show", description="Summarise one run: state, scores, times, curves as text.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, or a file in it")
    given = parser.parse_args(arguments)
    from rewardlab.report.show import show

    return show(given.run)


def _status(arguments: list[str]) -> int:
    parser = _Parser(
        prog="rewardlab status", description="What the runs of a results folder are doing: live, or once when piped."
    )
    parser.add_argument("path", nargs="?", default="results", metavar="PATH", help="results folder (default: results)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    given = parser.parse_args(arguments)
    from rewardlab.report.status import status

    return status(given.path, once=given.once)


def _list(arguments: list[str]) -> int:
    from rewardlab import listing

    parser = _Parser(prog="rewardlab list", description="Show what there is to choose from.")
    parser.add_argument(
        "group", nargs="?", metavar="GROUP", help=f"one of {', '.join(listing.groups())} (default: all)"
    )
    parser.add_argument("--optimal", action="store_true", help="of env: what the best and a random policy reach")
    given = parser.parse_args(arguments)
    if given.optimal:
        if given.group != "env":
            raise UserError("--optimal: only environments have an optimum; use rewardlab list env --optimal")
        print(listing.optimal_table())
        return 0
    shown = [given.group] if given.group else listing.groups()
    print("\n\n".join(listing.table(group) for group in shown))
    return 0


def _bench(arguments: list[str]) -> int:
    parser = _Parser(prog="rewardlab bench", description="Time the engine and the training of schemes, as ratios.")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of run; reward=a,b or reward=all")
    parser.add_argument("--rounds", type=int, default=5, help="turns of which the median is shown (default: 5)")
    given = parser.parse_intermixed_args(arguments)
    from rewardlab.bench import bench

    print(bench(given.overrides, given.rounds))
    return 0


def _play(arguments: list[str]) -> int:
    parser = _Parser(prog="rewardlab play", description="Write a GIF of a run's policy at play, on evaluation levels.")
    parser.add_argument("run", metavar="RUN", help="a run's folder, or a file in it")
    parser.add_argument("--episodes", type=int, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--out", metavar="FILE", help="the GIF (default: RUN/play.gif)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the policy's sampling (default: 0)")
    given = parser.parse_args(arguments)
    from rewardlab import playing

    return playing.play(given.run, given.episodes, given.out, given.seed)


def _demos(arguments: list[str]) -> int:
    parser = _Parser(
        prog="rewardlab demos",
        description="Record whole episodes of the exact solver or of a trained run, in Minari's dataset format.",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="env=NAME and its options (not with a RUN)")
    parser.add_argument("--out", metavar="DIR", required=True, help="the dataset's folder, which is not there yet")
    parser.add_argument("--from", dest="source", default="solver", metavar="SOURCE", help="solver (default), or a RUN")
    parser.add_argument("--episodes", type=int, default=100, metavar="N", help="how many (default: 100)")
    parser.add_argument("--levels", type=int, metavar="K", help="distinct levels (default: one for each episode)")
    parser.add_argument(
        "--noise", type=float, default=0.0, metavar="P", help="share of uniformly random actions (default: 0)"
    )
    parser.add_argument("--keep", choices=("solved", "all"), default="solved", help="which episodes (default: solved)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of levels, noise and sampling (default: 0)")
    given = parser.parse_intermixed_args(arguments)
    from rewardlab import recording

    return recording.record(recording.Request(**vars(given)))


def _check(arguments: list[str]) -> int:
    parser = _Parser(
        prog="rewardlab check",
        description="Test a reward scheme or an agent, your own or ours, against the laws that all obey.",
    )
    parser.add_argument("choice", metavar="GROUP=NAME", help="reward=NAME or agent=NAME")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="KEY=VALUE", help="options of it, as in reward.coef=0.1"
    )
    given = parser.parse_args(arguments)
    from rewardlab import checking

    return checking.check(given.choice, given.overrides)


def _overview() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in _COMMANDS.items()]
    return "\n".join(
        [
            _DESCRIPTION,
            "",
            "usage: rewardlab COMMAND ...",
            "",
            *lines,
            "",
            "  rewardlab run env=doorkey reward=rnd",
            "  rewardlab run -m env=doorkey,keycorridor reward=none,rnd 'seed=range(0,5)'",
            "  rewardlab report",
            "",
            "Each command explains itself with --help; rewardlab --version shows the version.",
            'Tab completion in bash: eval "$(rewardlab -sc install=bash)"',
        ]
    )
