"""A measured figure, and how it is shown."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """`target` is what the figure should reach, in words; empty where it is for information."""

    name: str
    value: float
    unit: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """A part of the bench, run on its own."""

    name: str
    run: Callable[[], Iterable[Figure]]


def table(figures: Iterable[Figure]) -> str:
    """Figures as a Markdown table."""
    rows = ["| figure | value | unit | target |", "|---|---:|---|---|"]
    rows += [f"| {name} | {_number(value)} | {unit} | {target} |" for name, value, unit, target in figures]
    return "\n".join(rows)


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median_of(measure: Callable[[], float], times: int = 3) -> float:
    """The median of several measurements."""
    return median(measure() for _ in range(times))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
