"""From the words of a command line to a command and its exit code. Every command imports what it needs when it runs."""

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from rewardlab import __version__
from rewardlab.commands import COMMANDS
from rewardlab.errors import Interrupted, UserError, one_line, report_internal_error

_DESCRIPTION = "An experiment runner for sparse-reward reinforcement learning."


def dispatch(arguments: Sequence[str]) -> int:
    """Do what the words ask for. Returns the exit code; never raises, but for `--help`."""
    try:
        return _dispatch(list(arguments))
    except UserError as error:
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
        report_internal_error(error)
        return 1


def _dispatch(argv: list[str]) -> int:
    words = argv[1:] if argv[:1] == ["run"] else argv  # Hydra's shell function asks by `run -sc`
    if words and words[0] in ("-sc", "--shell-completion"):
        from rewardlab.commands import completion

        return completion.answer(words[1:])
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"rewardlab {__version__}")
        return 0
    command, *arguments = argv
    if command not in COMMANDS:
        close = get_close_matches(command, COMMANDS, n=1, cutoff=0.5)
        hint = f"; did you mean rewardlab {close[0]}?" if close else ""
        raise UserError(f"{command}: no such command{hint} (allowed: {', '.join(COMMANDS)})")
    from rewardlab.commands import flags

    given = flags.parse(command, arguments)
    gc.disable()  # to look for garbage among what is imported takes a tenth of the start
    try:
        module = importlib.import_module(f"rewardlab.commands.{command}")
    finally:
        gc.enable()
    code: int = module.main(given)
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
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
