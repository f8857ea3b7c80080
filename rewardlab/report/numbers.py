"""Numbers as a reader wants them; what cannot be had is an empty text, never "nan"."""

from collections.abc import Callable
from math import isfinite

from rewardlab.report.statistics import Estimate

Form = Callable[[float | None], str]


def score(value: float | None) -> str:
    """A return, share or normalised score: two decimals near one, fewer for large returns."""
    if value is None or not isfinite(value):
        return ""
    size = abs(value)
    text = f"{value:.2f}" if size < 100 else f"{value:.1f}" if size < 1000 else amount(value)
    return text.replace("-0.00", "0.00") if float(text.rstrip("kMG")) == 0 else text


def signed(value: float | None) -> str:
    """A difference: `+0.12`, `−0.03`."""
    text = score(value)
    if not text or float(text.rstrip("kMG")) == 0:
        return text
    return text.replace("-", "−") if text.startswith("-") else f"+{text}"


def amount(value: float | None) -> str:
    """Frames or another large count, to three digits: 940, 12.3k, 1.25M."""
    if value is None or not isfinite(value):
        return ""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}" if abs(value) < 99.5 else f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, to the first sensible digits."""
    if seconds is None or not isfinite(seconds):
        return ""
    if seconds < 99.5:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.3g} h"


def share(value: float) -> str:
    """A share in percent that never claims certainty."""
    if value >= 0.995:
        return "more than 99 %"
    return f"{value:.0%}".replace("%", " %")


def share_range(ends: tuple[float, float]) -> str:
    """`81 to 90 %`."""
    low, high = (f"{100 * end:.0f}" for end in ends)
    return f"{low} %" if low == high else f"{low} to {high} %"


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def bounds(estimate: Estimate, form: Form = score) -> str:
    """The interval in brackets, open where its upper end was not reached; empty without one."""
    if estimate.low is None:
        return ""
    return f"[{form(estimate.low)}, {form(estimate.high) or '–'}]"


def with_interval(estimate: Estimate, form: Form = score) -> str:
    """`0.93 [0.90, 0.95]`."""
    return f"{form(estimate.value)} {bounds(estimate, form)}".strip() if estimate.value is not None else ""
