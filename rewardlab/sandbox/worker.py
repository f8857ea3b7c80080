"""The end of a sandbox that runs the code: a script, in an interpreter of its own, which imports nothing of ours.

It reads what to run from its standard input, gives up all that a process can do but compute, and only then looks at the
code. Rows come and results go through two mapped pieces of memory. A request on standard input says how many rows there
are, a reply on standard output how it went. What may be asked of the kernel from then on stands in `_confine`.
"""

import ctypes
import json
import math
import mmap
import os
import signal
import struct
import sys
from typing import Any

REQUEST, REPLY = struct.Struct("<QI"), struct.Struct("<QBI")
DONE, FAILED = 0, 1
LONGEST = 2000  # characters of a reply's text
_NAME = "<code>"  # the name that tracebacks give the code


def main() -> None:
    """Arguments: where numpy is, the two memory files, who started this process, whether to confine it."""
    folder, rows_fd, results_fd, parent, confined = sys.argv[1], *map(int, sys.argv[2:6])
    sys.path.append(folder)
    import traceback

    import numpy as np

    _warm(np)
    plan = json.loads(_exactly(struct.unpack("<I", _exactly(4))[0]))
    source = _exactly(struct.unpack("<I", _exactly(4))[0]).decode()
    rows = mmap.mmap(rows_fd, 0, prot=mmap.PROT_READ)
    results = mmap.mmap(results_fd, 0)
    os.closerange(3, 4096)
    groups = _groups(np, plan, rows)
    paid = np.frombuffer(results, np.float32).reshape(plan["columns"], plan["rows"])
    if confined:
        _confine(parent, plan["memory"])
    sys.stdin = sys.stdout = sys.stderr = _Silent()
    code = _Code(np, traceback, source, plan, groups, paid)
    while True:
        request = os.read(0, REQUEST.size)
        if len(request) < REQUEST.size:
            return
        sequence, count = REQUEST.unpack(request)
        paid[:] = np.nan  # so that a reply which nothing was computed for pays nothing
        status, text = code.run(count)
        shown = text.encode("utf-8", "replace")[:LONGEST]
        os.write(1, REPLY.pack(sequence, status, len(shown)) + shown)


class _Code:
    """The functions of the source, made when they are first asked for."""

    def __init__(self, np: Any, traceback: Any, source: str, plan: Any, groups: dict[str, Any], paid: Any) -> None:
        self._np, self._traceback, self._source = np, traceback, source
        self._plan, self._groups, self._paid = plan, groups, paid
        self._space: dict[str, Any] | None = None

    def run(self, count: int) -> tuple[int, str]:
        """Status, and what went wrong or which columns were written."""
        try:
            if self._space is None:
                space: dict[str, Any] = {"__name__": "code", "__builtins__": __builtins__}
                space |= {"np": self._np, "numpy": self._np, "math": math, **self._plan["constants"]}
                exec(compile(self._source, _NAME, "exec"), space)  # what this process is for
                self._space = space
            return DONE, json.dumps(self._columns(count))
        except BaseException as error:  # an exit is a failure too: nothing that the code says ends its process
            return FAILED, self._explained(error)

    def _columns(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        assert self._space is not None
        several = len(self._plan["functions"]) > 1
        for name in self._plan["functions"]:
            function = self._space.get(name)
            if not callable(function):
                raise NameError(f"no function {name}")
            given = [self._argument(group, count) for group in self._plan["arguments"]]
            told = function(*given)
            if isinstance(told, tuple) and len(told) == 2 and isinstance(told[1], dict):
                parts = {f"{name}.{part}" if several else str(part): value for part, value in told[1].items()}
                if name in parts:
                    raise ValueError(f"a part is named {name}, as what is returned itself")
                found |= {name: told[0]} | parts
            elif isinstance(told, dict):
                found.update({str(part): value for part, value in told.items()})
            else:
                found[name] = told
        if len(found) > len(self._paid):
            raise ValueError(f"{len(found)} columns are returned, {len(self._paid)} are allowed")
        for place, (name, value) in enumerate(found.items()):
            self._paid[place, :count] = self._numbers(name, value, count)
        return {"columns": list(found), "notes": self._notes()}

    def _argument(self, group: str, count: int) -> Any:
        fields = self._groups[group]
        if isinstance(fields, dict):
            return _State({name: field[:count] for name, field in fields.items()})
        return fields[:count]

    def _numbers(self, name: str, value: Any, count: int) -> Any:
        np = self._np
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name}: {array.dtype.name} is returned, numbers or booleans are wanted")
        if array.shape not in ((), (count,)):
            raise ValueError(f"{name}: shape {array.shape} is returned, ({count},) is wanted: one number for each row")
        return array

    def _notes(self) -> dict[str, dict[str, bool]]:
        """What the code says of its functions beside them, where the plan asks for it: truths by name."""
        told: dict[str, dict[str, bool]] = {}
        assert self._space is not None
        for name in self._plan["notes"]:
            value = self._space.get(name)
            if isinstance(value, dict):
                told[name] = {str(key): bool(truth) for key, truth in value.items()}
        return told

    def _explained(self, error: BaseException) -> str:
        try:
            frames = self._traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == _NAME]
            line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
            where = f" (line {line} of the code)" if line is not None else ""
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            return f"{type(error).__name__}: {said[: LONGEST - 200]}{where}"
        except BaseException:  # an error that cannot even be shown
            return f"{type(error).__name__}"


class _State:
    """Fields as attributes, each with leading B; they cannot be written to."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)


class _Silent:
    """A stream that takes everything and shows nothing: an innocent print would break into the replies."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def _groups(np: Any, plan: Any, rows: Any) -> dict[str, Any]:
    """Arrays over the memory of the rows: for each group its fields, or a single array for one without a name."""
    groups: dict[str, Any] = {}
    for group, name, dtype, shape, start in plan["fields"]:
        count = int(np.prod(shape, dtype=np.int64)) * plan["rows"]
        field = np.frombuffer(rows, dtype, count, start).reshape(plan["rows"], *shape)
        if name is None:
            groups[group] = field
        else:
            groups.setdefault(group, {})[name] = field
    return groups


def _warm(np: Any) -> None:
    """numpy looks some things up in files when they are first used, which will not do later."""
    array = np.ones((2, 2))
    np.linalg.norm(array, axis=1), array @ array, np.unique(array), np.median(array), np.einsum("ij->i", array)
    np.isin(array, array), np.percentile(array, 50), np.sort(array), np.nan_to_num(array), np.histogram(array)
    np.array2string(array), str(np.float32(1.5)), repr(array)


def _exactly(count: int) -> bytes:
    parts = []
    while count > 0:
        part = os.read(0, count)
        if not part:
            raise SystemExit(1)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _confine(parent: int, memory: int) -> None:
    """From here on this process can compute, read its requests, write its replies, and end."""
    import resource

    import pyseccomp as seccomp

    control = ctypes.CDLL(None, use_errno=True).prctl
    die_with_parent, dumpable = 1, 4
    control(die_with_parent, signal.SIGKILL, 0, 0, 0)
    control(dumpable, 0, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)
    limits = {resource.RLIMIT_AS: memory, resource.RLIMIT_STACK: 8 << 20}
    for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        limits[what] = 0
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))
    refused = seccomp.SyscallFilter(seccomp.ERRNO(1))  # EPERM: authors get an error that can be read
    allow, equal, masked = seccomp.ALLOW, seccomp.EQ, seccomp.MASKED_EQ
    refused.add_rule(allow, "read", seccomp.Arg(0, equal, 0))
    refused.add_rule(allow, "write", seccomp.Arg(0, equal, 1))
    executable = seccomp.Arg(2, masked, mmap.PROT_EXEC, 0)
    anonymous = seccomp.Arg(3, masked, mmap.MAP_ANONYMOUS, mmap.MAP_ANONYMOUS)
    refused.add_rule(allow, "mmap", executable, anonymous)
    refused.add_rule(allow, "mprotect", executable)
    for name in ("munmap", "mremap", "brk", "madvise", "futex", "rt_sigreturn", "exit", "exit_group"):
        refused.add_rule(allow, name)
    refused.load()


if __name__ == "__main__":
    main()
