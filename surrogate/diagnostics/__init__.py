"""Pure functions on (truth, prediction)."""

from surrogate.diagnostics.accuracy import (
    error_by_radius,
    error_by_time,
    error_map,
    lateral_anomaly_error,
    mean_square_error,
    profile_error,
    relative_accuracy,
    root_mean_square_error,
    spectral_error,
    variance_scaled_error,
)
from surrogate.diagnostics.evaluation import compare_modes, evaluate, score
from surrogate.diagnostics.page import conclusions, made_by, summary_page
from surrogate.diagnostics.physics import (
    core_mantle_boundary_heat_flux,
    energy_budget,
    lateral_mean,
    mean_temperature,
    plumes,
    surface_heat_flux,
)
from surrogate.diagnostics.pod import decompose, singular_values, subspace_angles
from surrogate.diagnostics.report_card import check
from surrogate.diagnostics.table import metrics_table, set_beside, title_of

__all__ = [
    "check",
    "compare_modes",
    "conclusions",
    "core_mantle_boundary_heat_flux",
    "decompose",
    "energy_budget",
    "error_by_radius",
    "error_by_time",
    "error_map",
    "evaluate",
    "lateral_anomaly_error",
    "lateral_mean",
    "made_by",
    "mean_square_error",
    "mean_temperature",
    "metrics_table",
    "plumes",
    "profile_error",
    "relative_accuracy",
    "root_mean_square_error",
    "score",
    "set_beside",
    "singular_values",
    "spectral_error",
    "subspace_angles",
    "summary_page",
    "surface_heat_flux",
    "title_of",
    "variance_scaled_error",
]
