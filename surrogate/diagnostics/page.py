"""The measures in sentences, and a page of them for the report."""

from __future__ import annotations

import html
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from surrogate.diagnostics.report_card import TOLERANCES
from surrogate.diagnostics.table import NETWORKS, PREDICTORS, best_of, metrics_columns, metrics_rows, remarks, title_of

RULES = {
    "surface_temperature_deviation": "the temperature of the surface",
    "core_mantle_boundary_spread": "an isothermal core-mantle boundary",
    "fraction_out_of_range": "the range of possible temperatures",
    "budget_residual": "the energy budget",
    "core_drift": "the heat that the core has",
    "parameters_outside_range": "the range of the parameters",
}
"""What the entries of the physics report card stand for."""

STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1.5em 0}td,th{padding:.25em .7em;text-align:right;white-space:nowrap}"
    "td:first-child,th:first-child{text-align:left}thead th{border-bottom:1.5px solid #222;white-space:normal}"
    "th.group{text-align:center;border-bottom:1px solid #aaa}"
    "tr:nth-child(even) td{background:#f5f5f5}.other{color:#888}"
)


def conclusions(metrics: Mapping[str, Any]) -> list[str]:
    """Say in sentences what :func:`surrogate.diagnostics.evaluation.evaluate` found, one per network and measure.

    Where a network does not beat every trivial baseline, the sentence says so.
    """
    methods, about = metrics["methods"], metrics["truth"]
    judged = [name for name in methods if name in PREDICTORS]
    baselines = {name: entry for name, entry in methods.items() if name not in NETWORKS}
    said = [f"Measured on {about['runs']} runs with {about['snapshots']} snapshots that no network saw in training."]
    for name in judged:
        entry = methods[name]
        accuracy = entry["relative_accuracy"]
        said.append(
            f"The {title_of(name)} reaches a mean relative accuracy of {accuracy['mean']:.2f} % "
            f"(median run {accuracy['run_median']:.2f} %, worst run {accuracy['run_worst']:.2f} %)"
            + _against(baselines, "relative_accuracy", accuracy["mean"], "{:.2f} %")
        )
        anomaly = entry["lateral_anomaly_error"]["mean"]
        said.append(
            f"Its error of the lateral anomaly is {anomaly:.2f} of the anomaly itself"
            + _against(baselines, "lateral_anomaly_error", anomaly, "{:.2f}")
        )
        said.append(
            f"It is off by {entry['profile_error']['mean']:.1f} K in the mean profile, by "
            f"{100 * entry['surface_heat_flux_error']['mean']:.1f} % in the surface heat flux and by "
            f"{100 * entry['core_mantle_boundary_heat_flux_error']['mean']:.1f} % in that of the core-mantle boundary; "
            f"its singular values sum to {entry['singular_value_sum_ratio']['mean']:.1f} % of the simulations' as the "
            f"paper counts, {entry['weighted_sum_ratio']['mean']:.1f} % with the mean removed."
        )
        said.append(_physics(entry["report_card"], about["report_card"]))
    for name in ("flow",):
        if name in methods:
            said += _of_samples(methods[name], {other: methods[other] for other in judged}, about)
    for title, other in metrics.get("beside", {}).items():
        said += _beside(methods, title, other)
    if "autoencoder" in methods:
        bound = methods["autoencoder"]
        said.append(
            f"The autoencoder alone, which sees the true field, reaches {bound['relative_accuracy']['mean']:.2f} % and "
            f"{bound['lateral_anomaly_error']['mean']:.2f}: no predictor in its latents can do better."
        )
    return said


def _physics(card: Mapping[str, Any], simulated: Mapping[str, Any]) -> str:
    """Say whether predictions keep what every evolution must keep."""
    broken = [RULES[rule] for rule in TOLERANCES if not card["passed"][rule]]
    held = "; ".join(
        f"{100 * entry['budget_residual']:.1f} % {whose}"
        for entry, whose in ((card, "of its terms are left over"), (simulated, "in the simulations themselves"))
        if entry["budget_residual"] is not None
    )
    if broken:
        return f"Its predictions break {' and '.join(broken)} by more than is tolerated (energy budget: {held})."
    return (
        "Its predictions keep the wall temperatures, the range of possible temperatures and the energy budget "
        f"({held})."
    )


def _of_samples(flow: Mapping[str, Any], means: Mapping[str, Any], about: Mapping[str, Any]) -> list[str]:
    """Judge one sample per run by what it is for: the structure of a simulation, not nearness to this one."""

    def structure(entry: Mapping[str, Any]) -> float:
        return float(entry["weighted_sum_ratio"]["mean"])

    said = [
        f"A sample of the flow is one possible evolution and not the most likely field: its mean relative accuracy, "
        f"{flow['relative_accuracy']['mean']:.2f} %, and its error of the lateral anomaly, "
        f"{flow['lateral_anomaly_error']['mean']:.2f}, are no measure of it (two simulations that differ by chance "
        "score about 1.4 in the latter)."
    ]
    if means:
        others = ", ".join(f"{title_of(name)} {structure(entry):.1f} %" for name, entry in means.items())
        nearer = all(abs(structure(flow) - 100) < abs(structure(entry) - 100) for entry in means.values())
        said.append(
            f"Its singular values, with the mean removed, sum to {structure(flow):.1f} % of the simulations' "
            f"({others}): it {'has' if nearer else 'does **not** have'} more of their structure than the means have."
        )
    cards = {"simulations": about["report_card"], **{title_of(n): entry["report_card"] for n, entry in means.items()}}
    others = ", ".join(f"{whose} {card['plumes']:.2f} and {card['downwellings']:.2f}" for whose, card in cards.items())
    card = flow["report_card"]
    said.append(
        f"At mid-depth it draws {card['plumes']:.2f} plumes and {card['downwellings']:.2f} downwellings per snapshot "
        f"({others})."
    )
    return [*said, _physics(card, about["report_card"])]


def _beside(methods: Mapping[str, Any], title: str, other: Mapping[str, Any]) -> list[str]:
    """Compare each network with its namesake of another run; only on the same unseen runs is one ahead."""
    said = []
    for name, entry in other["methods"].items():
        if name not in ("autoencoder", *PREDICTORS):
            continue  # samples are not judged by their accuracy
        numbers = [
            (source["relative_accuracy"]["mean"], source["lateral_anomaly_error"]["mean"])
            for source in (entry, methods.get(name))
            if source is not None
        ]
        text = f"{title}: the {title_of(name)} reaches {numbers[0][0]:.2f} % and {numbers[0][1]:.2f} of the anomaly"
        if not other["same_runs"]:
            said.append(f"{text}, on other unseen runs, so that the numbers are not to be compared.")
        elif len(numbers) == 1:
            said.append(f"{text}, on the same unseen runs.")
        else:
            ahead = [numbers[1][0] > numbers[0][0], numbers[1][1] < numbers[0][1]]
            verdict = (
                "is ahead in both" if all(ahead)
                else "is ahead in the first alone" if ahead[0]
                else "is ahead in the second alone" if ahead[1]
                else "is **not** ahead in either"
            )  # fmt: skip
            said.append(
                f"{text}, on the same unseen runs; that of this run ({numbers[1][0]:.2f} % and {numbers[1][1]:.2f}) "
                f"{verdict}."
            )
    return said


def _against(baselines: Mapping[str, Any], metric: str, value: float, style: str) -> str:
    """Compare with the best trivial baseline in one measure."""
    if not baselines:
        return "."
    values = {name: entry[metric]["mean"] for name, entry in baselines.items()}
    best = best_of(metric, values)
    number = style.format(values[best])
    if best_of(metric, {"it": value, "baseline": values[best]}) == "it":
        return f"; the best trivial baseline, {title_of(best)}, {number}."
    return f" and does **not** beat the best trivial baseline, {title_of(best)} ({number})."


def summary_page(metrics: Mapping[str, Any], name: str = "") -> str:
    """Write the conclusions and the table of measures as one HTML page that needs no other file.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluation.evaluate`.
    name : str
        Of the pipeline run.
    """
    heads, rows = metrics_rows(metrics)
    groups = [column.group for column in metrics_columns(metrics)]

    def cells(row: list[str], tag: str) -> str:
        marks = ["", *(" class=other" if group == "published" else "" for group in groups)]
        return "".join(f"<{tag}{mark}>{_emphasised(text)}</{tag}>" for mark, text in zip(marks, row, strict=True))

    titles = {"ours": "this run", "published": "published, another corpus*"}
    over = "<th></th>" + "".join(
        f"<th class=group colspan={len(list(members))}>{html.escape(titles.get(group, group))}</th>"
        for group, members in groupby(groups)
    )
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    points = "".join(f"<li>{_emphasised(sentence)}</li>" for sentence in conclusions(metrics))
    below = "".join(f"<p class=other>{html.escape(line)}</p>" for line in [*remarks(metrics), *made_by(metrics)])
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8><title>Measures</title><style>{STYLE}</style></head>"
        f"<body><h1>Measures on unseen runs{': ' + html.escape(name) if name else ''}</h1><ul>{points}</ul>"
        f"<table><thead><tr>{over}</tr><tr>{cells(heads, 'th')}</tr></thead><tbody>{body}</tbody></table>"
        f"{below}</body></html>\n"
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


def _emphasised(text: str) -> str:
    """HTML of a text in which ``**`` marks what is bold."""
    parts = html.escape(text).split("**")
    return "".join(f"<b>{part}</b>" if number % 2 else part for number, part in enumerate(parts))
