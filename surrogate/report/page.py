"""The measures in sentences, and a page of them for the report."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from itertools import groupby
from typing import Any

from surrogate.diagnostics.report_card import TOLERANCES
from surrogate.methods import title_of
from surrogate.quantities import Units
from surrogate.report.table import best_of, kind_of, metrics_columns, metrics_rows, remarks, units_in

RULES = {
    "surface_temperature_deviation": "the temperature of the surface",
    "core_mantle_boundary_spread": "an isothermal {wall}",
    "fraction_out_of_range": "the range of possible temperatures",
    "budget_residual": "the energy budget",
    "core_drift": "the heat that the core has",
    "parameters_outside_range": "the range of the parameters",
}
"""What the entries of the physics report card stand for."""


def _of_kind(methods: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: entry for name, entry in methods.items() if kind_of(name) == kind}


def conclusions(metrics: Mapping[str, Any]) -> list[str]:
    """Say in sentences what :func:`surrogate.diagnostics.evaluate` found, one per network and measure.

    Where a network does not beat every trivial baseline, the sentence says so.
    """
    methods, about, units = metrics["methods"], metrics["truth"], units_in(metrics)
    (lower, upper), flux = units.walls, units.heat_flux.title
    judged, baselines = _of_kind(methods, "mean"), _of_kind(methods, "baseline")
    said = [f"Measured on {about['runs']} runs with {about['snapshots']} snapshots that no network saw in training."]
    for name, entry in judged.items():
        accuracy = entry[units.accuracy]
        said.append(
            f"The {title_of(name)} reaches a mean {units.accuracy_title} of {accuracy['mean']:.2f} % "
            f"(median run {accuracy['run_median']:.2f} %, worst run {accuracy['run_worst']:.2f} %)"
            + _against(baselines, units.accuracy, accuracy["mean"], "{:.2f} %")
        )
        anomaly = entry["lateral_anomaly_error"]["mean"]
        said.append(
            f"Its error of the lateral anomaly is {anomaly:.2f} of the anomaly itself"
            + _against(baselines, "lateral_anomaly_error", anomaly, "{:.2f}")
        )
        said.append(
            f"It is off by {units.degrees(entry['profile_error']['mean'])} in the mean profile, by "
            f"{100 * entry['surface_heat_flux_error']['mean']:.1f} % in the {upper} {flux} and by "
            f"{100 * entry['core_mantle_boundary_heat_flux_error']['mean']:.1f} % in that of the {lower}; "
            f"its singular values sum to {entry['singular_value_sum_ratio']['mean']:.1f} % of the simulations' as the "
            f"paper counts, {entry['weighted_sum_ratio']['mean']:.1f} % with the mean removed."
        )
        said.append(_physics(entry["report_card"], about["report_card"], lower))
    for name, entry in _of_kind(methods, "sample").items():
        said += _of_samples(name, entry, judged, about, units)
    for title, other in metrics.get("beside", {}).items():
        said += _beside(methods, title, other, units)
    for name, bound in _of_kind(methods, "autoencoder").items():
        said.append(
            f"The {title_of(name)} alone, which sees the true field, reaches {bound[units.accuracy]['mean']:.2f} "
            f"% and {bound['lateral_anomaly_error']['mean']:.2f}: no predictor in its latents can do better."
        )
    return said


def _physics(card: Mapping[str, Any], simulated: Mapping[str, Any], wall: str) -> str:
    """Say whether predictions keep what every evolution must keep."""
    broken = [RULES[rule].format(wall=wall) for rule in TOLERANCES if not card["passed"][rule]]
    held = "; ".join(
        f"{100 * entry['budget_residual']:.1f} % {whose}"
        for entry, whose in ((card, "of its terms are left over"), (simulated, "in the simulations themselves"))
        if entry["budget_residual"] is not None
    )
    if broken:
        budget = f" (energy budget: {held})" if held else ""
        return f"Its predictions break {' and '.join(broken)} by more than is tolerated{budget}."
    kept = "the wall temperatures and the range of possible temperatures"
    if held:
        kept = f"the wall temperatures, the range of possible temperatures and the energy budget ({held})"
    return f"Its predictions keep {kept}."


def _of_samples(
    name: str, samples: Mapping[str, Any], means: Mapping[str, Any], about: Mapping[str, Any], units: Units
) -> list[str]:
    """Judge one sample per run by what it is for: the structure of a simulation, not nearness to this one."""

    def structure(entry: Mapping[str, Any]) -> float:
        return float(entry["weighted_sum_ratio"]["mean"])

    said = [
        f"A sample of the {name} is one possible evolution and not the most likely field: its mean "
        f"{units.accuracy_title}, {samples[units.accuracy]['mean']:.2f} %, and its error of the lateral anomaly, "
        f"{samples['lateral_anomaly_error']['mean']:.2f}, are no measure of it (two simulations that differ by chance "
        "score about 1.4 in the latter)."
    ]
    if means:
        others = ", ".join(f"{title_of(other)} {structure(entry):.1f} %" for other, entry in means.items())
        nearer = all(abs(structure(samples) - 100) < abs(structure(entry) - 100) for entry in means.values())
        said.append(
            f"Its singular values, with the mean removed, sum to {structure(samples):.1f} % of the simulations' "
            f"({others}): it {'has' if nearer else 'does **not** have'} more of their structure than the means have."
        )
    cards = {"simulations": about["report_card"], **{title_of(n): entry["report_card"] for n, entry in means.items()}}
    others = ", ".join(f"{whose} {card['plumes']:.2f} and {card['downwellings']:.2f}" for whose, card in cards.items())
    card = samples["report_card"]
    said.append(
        f"At mid-depth it draws {card['plumes']:.2f} plumes and {card['downwellings']:.2f} downwellings per snapshot "
        f"({others})."
    )
    return [*said, _physics(card, about["report_card"], units.walls[0])]


def _beside(methods: Mapping[str, Any], title: str, other: Mapping[str, Any], units: Units) -> list[str]:
    """Compare each network with its namesake of another run; only on the same unseen runs is one ahead."""
    said = []
    for name, entry in other["methods"].items():
        if kind_of(name) == "sample":
            continue  # they are not judged by their accuracy
        numbers = [
            (source[units.accuracy]["mean"], source["lateral_anomaly_error"]["mean"])
            for source in (entry, methods.get(name))
            if source is not None
        ]
        text = f"{title}: the {title_of(name)} reaches {numbers[0][0]:.2f} % and {numbers[0][1]:.2f} of the anomaly"
        if not other["same_runs"]:
            said.append(f"{text}, on other unseen runs, so that the numbers are not to be compared.")
        elif len(numbers) == 1:
            said.append(f"{text}, on the same unseen runs.")
        else:
            ahead = (numbers[1][0] > numbers[0][0], numbers[1][1] < numbers[0][1])
            verdict = {
                (True, True): "is ahead in both",
                (True, False): "is ahead in the first alone",
                (False, True): "is ahead in the second alone",
                (False, False): "is **not** ahead in either",
            }[ahead]
            said.append(
                f"{text}, on the same unseen runs; that of this run ({numbers[1][0]:.2f} % and {numbers[1][1]:.2f}) "
                f"{verdict}."
            )
    return said


def _against(baselines: Mapping[str, Any], measure: str, value: float, style: str) -> str:
    """Compare with the best trivial baseline in one measure."""
    if not baselines:
        return "."
    values = {name: entry[measure]["mean"] for name, entry in baselines.items()}
    best = best_of(measure, values)
    number = style.format(values[best])
    if best_of(measure, {"it": value, "baseline": values[best]}) == "it":
        return f"; the best trivial baseline, {title_of(best)}, {number}."
    return f" and does **not** beat the best trivial baseline, {title_of(best)} ({number})."


def summary_page(metrics: Mapping[str, Any], name: str = "") -> str:
    """Write the conclusions and the table of measures as one HTML page that needs no other file.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluate`.
    name : str
        Of the pipeline run.
    """
    from jinja2 import Environment
    from markupsafe import Markup, escape

    def bold(text: str) -> Markup:
        parts = str(escape(text)).split("**")
        return Markup("".join(f"<b>{part}</b>" if number % 2 else part for number, part in enumerate(parts)))

    environment = Environment(autoescape=True)
    environment.filters["bold"] = bold
    template = (files("surrogate.report") / "template.html").read_text(encoding="utf-8")
    heads, rows = metrics_rows(metrics)
    groups = [column.group for column in metrics_columns(metrics)]
    titles = {"ours": "this run", "published": "published, another corpus*"}
    return environment.from_string(template).render(
        name=name,
        conclusions=conclusions(metrics),
        groups=[(titles.get(group, group), len(list(members))) for group, members in groupby(groups)],
        heads=heads,
        rows=rows,
        others=[False, *(group == "published" for group in groups)],
        remarks=[*remarks(metrics), *made_by(metrics)],
    )


def made_by(metrics: Mapping[str, Any]) -> list[str]:
    """Provenance of the measures in a sentence; none if they carry none."""
    if "provenance" not in metrics:
        return []
    origin = metrics["provenance"]
    packages = origin.get("packages", {})
    versions = ", ".join(
        f"{name} {packages[name]}" for name in ("numpy", "keras", "tensorflow", "jax") if name in packages
    )
    corpus = origin.get("corpus", {})
    of = (
        f" from the corpus {corpus['store']} ({corpus['runs']} runs, {corpus['snapshots']} snapshots)" if corpus else ""
    )
    return [f"Made by surrogate {origin['code_version']}{of}; Python {origin['python']}, {versions}."]
