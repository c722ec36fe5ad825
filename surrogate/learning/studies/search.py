"""Search for better settings of a predictor: Bayesian optimisation on the validation runs, by optuna.

Trials are kept in a journal on disk, so that a search can be stopped, resumed, and worked on by several jobs at once,
on a parallel file system too. What it finds was chosen on the validation runs: its validation loss flatters it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from surrogate.config import SearchSettings
from surrogate.files import fingerprint
from surrogate.learning.predictor import train_predictor
from surrogate.learning.training import Progress


def changed(settings: Any, values: Mapping[str, Any]) -> Any:
    """Return settings with other values; what belongs to the training goes there.

    >>> from surrogate.settings import ResidualFnnSettings
    >>> other = changed(ResidualFnnSettings(), {"width": 64, "learning_rate": 1e-2})
    >>> other.width, other.training.learning_rate, other.depth == ResidualFnnSettings().depth
    (64, 0.01, True)
    """
    content = settings.model_dump()
    for name, value in values.items():
        place = content["training"] if name in content["training"] else content
        if name not in place:
            raise ValueError(f"search: {type(settings).__name__} has no setting {name!r}")
        place[name] = value
    return type(settings).model_validate(content)


def search_settings(
    latents: xr.Dataset,
    settings: Any,
    plan: SearchSettings,
    journal: str | os.PathLike[str],
    progress: Progress | None = print,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train a predictor with many settings; the validation loss judges.

    The first trial is the settings as they are, so that the best is never worse than what there was.

    Parameters
    ----------
    latents : xarray.Dataset
        From :func:`surrogate.learning.autoencoder.encode_corpus`.
    settings : Section
        Where the search starts, and what it leaves as it is.
    plan : SearchSettings
    journal : path
        File of the trials. A search with the same settings and runs goes on where it stopped; another one beside it
        in the same file is left alone.
    progress : callable, optional
        Called with one line per trial.

    Returns
    -------
    DataFrame
        One row per finished trial: trial, loss, seconds and the values tried; the best first.
    dict
        Values of the best trial.

    Raises
    ------
    ImportError
        Without optuna: it comes with the extra ``search``.
    ValueError
        If a range names a setting that this predictor does not have.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise ImportError("the search needs optuna: pip install 'surrogate[search]'") from None
    changed(settings, {name: low for name, (low, _) in plan.ranges.items()})  # refuses unknown names at once
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(journal).parent.mkdir(parents=True, exist_ok=True)
    name = fingerprint(
        {
            "settings": settings.model_dump(mode="json"),
            "ranges": plan.model_dump(mode="json")["ranges"],
            "runs": [int(number) for number in latents.simulation.values[latents.split.values < 2]],
        }
    )
    storage = JournalStorage(JournalFileBackend(os.fspath(journal)))
    finished = (optuna.trial.TrialState.COMPLETE,)

    def completed(study: Any) -> list[Any]:
        return list(study.get_trials(deepcopy=False, states=finished))

    study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
    # A resumed search must not draw the same points again.
    study.sampler = optuna.samplers.TPESampler(seed=plan.seed + len(study.trials), n_startup_trials=8)
    if not completed(study):
        study.enqueue_trial(starting_point(settings, plan), skip_if_exists=True)

    def objective(trial: Any) -> float:
        values = {name: suggest(trial, settings, name, *limits) for name, limits in plan.ranges.items()}
        candidate = changed(settings, values)
        with tempfile.TemporaryDirectory() as folder:
            predictor = train_predictor(plan.predictor, latents, candidate, folder, progress=None)
        summary = predictor.manifest["training"]
        trial.set_user_attr("seconds", summary["seconds"])
        if progress:
            told = ", ".join(f"{name} {value:g}" for name, value in values.items())
            progress(f"trial {trial.number}: loss {summary['best_validation_loss']:.4f} with {told}")
        return float(summary["best_validation_loss"])

    while len(completed(study)) < plan.trials:
        study.optimize(objective, n_trials=1, catch=(FloatingPointError,))
        failed = len(study.trials) - len(completed(study))
        if failed > plan.trials:
            raise RuntimeError(f"search: {failed} trials diverged or were interrupted; narrow search.ranges")
    rows = [
        {"trial": trial.number, "loss": trial.value, "seconds": trial.user_attrs["seconds"], **trial.params}
        for trial in completed(study)
    ]
    return pd.DataFrame(rows).sort_values("loss", ignore_index=True), dict(study.best_trial.params)


def starting_point(settings: Any, plan: SearchSettings) -> dict[str, Any]:
    """Values of the settings as they are, moved into the ranges where they lie outside."""
    return {
        name: type(_now(settings, name))(min(max(_now(settings, name), low), high))
        for name, (low, high) in plan.ranges.items()
    }


def suggest(trial: Any, settings: Any, name: str, low: float, high: float) -> Any:
    """Draw a value: whole numbers for whole numbers, and a logarithmic scale where the range spans a factor of 8."""
    logarithmic = low > 0 and high >= 8 * low
    if isinstance(_now(settings, name), int):
        return trial.suggest_int(name, round(low), round(high), log=logarithmic)
    return trial.suggest_float(name, low, high, log=logarithmic)


def _now(settings: Any, name: str) -> Any:
    return getattr(settings.training if hasattr(settings.training, name) else settings, name)
