"""Pure functions on a truth and a prediction: measures, physics, modes; of runs, corpora and plain arrays."""

from surrogate.diagnostics.accuracy import (
    error_by_radius,
    error_by_time,
    error_map,
    headline_accuracy,
    lateral_anomaly_error,
    mean_square_error,
    profile_error,
    range_accuracy,
    relative_accuracy,
    root_mean_square_error,
    spectral_error,
    temperature_maximum,
    variance_scaled_error,
)
from surrogate.diagnostics.evaluation import accuracy_of_runs, compare_modes, evaluate, rank_correlations, score
from surrogate.diagnostics.physics import (
    core_mantle_boundary_heat_flux,
    energy_budget,
    lateral_mean,
    mean_temperature,
    plumes,
    surface_heat_flux,
)
from surrogate.diagnostics.pod import decompose, reconstruct, singular_values, subspace_angles
from surrogate.diagnostics.report_card import check

__all__ = [
    "accuracy_of_runs",
    "check",
    "compare_modes",
    "core_mantle_boundary_heat_flux",
    "decompose",
    "energy_budget",
    "error_by_radius",
    "error_by_time",
    "error_map",
    "evaluate",
    "headline_accuracy",
    "lateral_anomaly_error",
    "lateral_mean",
    "mean_square_error",
    "mean_temperature",
    "plumes",
    "profile_error",
    "range_accuracy",
    "rank_correlations",
    "reconstruct",
    "relative_accuracy",
    "root_mean_square_error",
    "score",
    "singular_values",
    "spectral_error",
    "subspace_angles",
    "surface_heat_flux",
    "temperature_maximum",
    "variance_scaled_error",
]
