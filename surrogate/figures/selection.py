"""Which runs and times are shown, chosen by numbers alone, so that pictures and captions choose the same."""

from __future__ import annotations

from collections.abc import Sequence

from surrogate.config import FigureSettings

TIME_TOLERANCE = 1 / 15
"""A run that ended before a time still counts as reaching it if it lacks less than this share of it."""

TIME_SHARES = (2 / 9, 4 / 9, 6 / 9, 1.0)
"""Where examples are shown if no times are asked for: 1, 2, 3 and 4.5 Gyr of 4.5 Gyr."""


def example_times(settings: FigureSettings, ends: Sequence[float]) -> list[float]:
    """Return when examples are shown: the times asked for, or shares of the longest unseen evolution.

    >>> [round(time, 3) for time in example_times(FigureSettings(), [4.5, 3.8])]
    [1.0, 2.0, 3.0, 4.5]
    """
    return list(settings.example_times or [share * max(ends) for share in TIME_SHARES])


def median_and_worst(
    simulations: Sequence[int], accuracies: Sequence[float], ends: Sequence[float], until: float = 0.0
) -> list[tuple[int, str]]:
    """Median and least accurate run of one method: positions among the unseen runs, and "median run 7"."""
    chosen = choose_examples(simulations, accuracies, ends, 2, until)
    kinds = ["median", "worst"] if len(chosen) == 2 else ["only"]
    return [
        (position, f"{kind} run {int(simulations[position])}")
        for kind, (position, _) in zip(kinds, chosen, strict=True)
    ]


def choose_examples(
    simulations: Sequence[int], accuracies: Sequence[float], ends: Sequence[float], count: int, until: float = 0.0
) -> list[tuple[int, str]]:
    """Choose runs by their accuracy, not by their looks: the median one first, the least accurate last.

    Parameters
    ----------
    simulations : sequence of int
        Numbers of the unseen runs.
    accuracies, ends : sequence of float
        Mean accuracy, and time of the last snapshot of each.
    count : int
        How many; those between are equally spaced in rank.
    until : float
        Only runs that reach this time are taken, if there are any.

    Returns
    -------
    list of (int, str)
        Position among the unseen runs, and what the run is.

    Examples
    --------
    >>> choose_examples([7, 8, 9], [99.0, 98.0, 99.5], [4.5, 4.5, 4.5], 2)[0]
    (0, 'Run 7: the median in accuracy of 3 unseen runs')
    """
    everyone = range(len(accuracies))
    pool = [run for run in everyone if ends[run] >= until * (1 - TIME_TOLERANCE)] or list(everyone)
    order = sorted(pool, key=lambda run: accuracies[run])  # the least accurate first
    median = (len(order) - 1) // 2
    steps = max(count - 1, 1)
    ranks = sorted({round(median * (steps - step) / steps) for step in range(min(count, len(order)))}, reverse=True)
    chosen = []
    for rank in ranks:
        if rank == 0:
            place = "the least accurate"
        elif rank == median:
            place = "the median in accuracy"
        else:
            place = f"number {rank + 1} from the least accurate"
        chosen.append((order[rank], f"Run {int(simulations[order[rank]])}: {place} of {len(order)} unseen runs"))
    return chosen
