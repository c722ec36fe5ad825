"""The configuration: one pydantic model per section of ``config/*.yaml``.

The JSON schema in ``workflow/schemas/`` and the documented default ``config/config.yaml`` are generated from these
models (``python -m surrogate.config``), so they cannot drift apart. A key that is not known here is an error, and so is
one that has no effect beside the others. The networks have the sections that :data:`surrogate.methods.METHODS` names.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, create_model, field_validator, model_validator

from surrogate.files import atomic, fingerprint
from surrogate.methods import METHODS, methods
from surrogate.parameters import MODEL_PARAMETERS, Parameter, ParameterSpace
from surrogate.planet import MARS, Planet
from surrogate.quantities import VARIABLES
from surrogate.settings import (
    AutoencoderSettings,
    Count,
    EvolutionSettings,
    FlowSettings,
    FnnSettings,
    Fraction,
    LstmSettings,
    Positive,
    Section,
    SharedTraining,
    SimulatorSettings,
    TrainingSettings,
)
from surrogate.units import read_stated, to_magnitude


class DesignSettings(Section):
    """Which points of parameter space are simulated."""

    runs: Count = Field(128, description="Number of runs: a scrambled Sobol sample (a power of two balances it).")
    seed: int = Field(2108, description="Of the scrambling and of the initial perturbations.")


class ParameterSettings(Section):
    """One parameter of the corpus; what is not given is what the simulator knows of it, or what the runs show."""

    unit: str | None = Field(None, description="Of its values, as pint or UDUNITS spell it; `dimensionless` has none.")
    symbol: str | None = Field(None, description="LaTeX, for the figures.")
    description: str | None = Field(None, description="In words.")
    low: float | str | None = Field(None, description="Lower end of its range, in its unit or with one of its own.")
    high: float | str | None = Field(None, description="Upper end.")
    logarithmic: bool | None = Field(None, description="Whether its axis is logarithmic.")

    @field_validator("unit")
    @classmethod
    def _readable(cls, unit: str | None) -> str | None:
        if unit is None:
            return None
        scale, spelled = read_stated(1.0, "unit", unit)
        if scale != 1.0:
            raise ValueError(f"expected a unit, without a number in front of it, got {unit!r}")
        return spelled

    def describe(self, parameter: Parameter) -> Parameter:
        """Return a parameter with what is given here in the place of its own; its unit is that of the result.

        Raises
        ------
        ValueError
            Naming it, if its range is none.
        """
        given = self.model_dump(exclude={"unit"}, exclude_none=True)
        for end in {"low", "high"} & set(given):
            given[end] = to_magnitude(given[end], parameter.unit, f"{parameter.name}.{end}")
        result = dataclasses.replace(parameter, **given)
        if result.low > result.high or (result.logarithmic and result.low <= 0) or (parameter.low > 0 >= result.low):
            least = "0 < low <= high" if result.logarithmic or parameter.low > 0 else "low <= high"
            raise ValueError(f"{result.name}: expected {least}, got {result.low:g} .. {result.high:g}")
        return result


class SourceSettings(Section):
    """Where the raw runs come from."""

    conditions = tuple(
        (key, "kind", "files") for key in ("files", "reader", "options", "conductivity", "crust_heating")
    )

    kind: Literal["simulate", "files"] = Field("simulate", description="Make the runs, or read existing ones.")
    files: Annotated[str, AfterValidator(os.path.expanduser)] = Field(
        "", description="Glob of existing raw runs, relative to the working directory."
    )
    reader: str = Field("auto", description="Name of a reader (entry point group surrogate.readers), or auto.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the reader.")
    conductivity: Literal["constant", "olivine"] = Field(
        "olivine", description="Law of the existing runs: heat fluxes and budgets are computed with it."
    )
    crust_heating: Literal["none", "enriched"] = Field(
        "none", description="Whether the heat produced in the crust is in the fields of the existing runs."
    )

    @model_validator(mode="after")
    def _files_named(self) -> SourceSettings:
        if self.kind == "files" and not self.files:
            raise ValueError("source.files must name the raw runs when source.kind is 'files'")
        return self


class CorpusSettings(Section):
    """How raw runs become one store."""

    conditions = (("snapshots", "times", "resample"),)

    radial_cells: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Grid of the store; null keeps the runs' own."
    )
    angular_cells: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Grid of the store; null keeps the runs' own."
    )
    times: Literal["keep", "resample"] = Field(
        "keep", description="Keep each run's times, or interpolate to common ones."
    )
    snapshots: Annotated[int, Field(ge=2)] = Field(60, description="Number of common times.")
    encoding: Literal["float32", "int16"] = Field(
        "float32", description="int16 packs in steps of 1/16 K: the error is at most 0.031 K, the size about half."
    )
    minimum_snapshots: Annotated[int, Field(ge=2)] = Field(10, description="Shorter runs are rejected.")
    budget_tolerance: Positive = Field(
        1e-2, description="Relative error of the energy budget above which a run is rejected."
    )
    validation_fraction: Fraction = Field(0.10, description="Share of the runs that choose when training stops.")
    test_fraction: Fraction = Field(0.15, description="Share of the runs that are never seen in training.")
    split_seed: int = Field(11, description="Of the split by run.")
    tolerated_rejects: Fraction = Field(
        0.2, description="Ingest fails when more than this share of the runs is rejected."
    )

    @model_validator(mode="after")
    def _enough_left(self) -> CorpusSettings:
        if self.validation_fraction + self.test_fraction > 0.9:
            raise ValueError("validation_fraction + test_fraction must leave at least 0.1 of the runs for training")
        return self


class SearchSettings(Section):
    """Search for better settings of a predictor (`snakemake search`; not part of a normal run)."""

    predictor: str = Field("fnn", description="Whose settings.")
    trials: Count = Field(24, description="Trainings in all; a search that was stopped goes on.")
    ranges: dict[str, tuple[float, float]] = Field(
        {
            "width": (32, 256),
            "depth": (2, 10),
            "dropout": (0.0, 0.3),
            "learning_rate": (3e-4, 1e-2),
            "weight_decay": (1e-6, 1e-2),
        },
        description="Lowest and highest value of each setting, of the predictor or of its training.",
    )
    seed: int = Field(17, description="Of the sampler.")

    @field_validator("predictor")
    @classmethod
    def _searchable(cls, predictor: str) -> str:
        known = [method.key for method in METHODS.values() if method.curves]
        if predictor not in known:
            raise ValueError(f"expected one of {', '.join(known)}")
        return predictor

    @field_validator("ranges")
    @classmethod
    def _rising(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            if not low < high:
                raise ValueError(f"{name}: expected low < high, got {low:g} .. {high:g}")
        if not ranges:
            raise ValueError("expected at least one range")
        return ranges


class StudySettings(Section):
    """Further trainings that show what a choice costs; none by default."""

    conditions = (("compression_epochs", "compression_curve", ...), ("compression_beside", "compression_curve", ...))

    search: SearchSettings = Field(default_factory=SearchSettings, description="Better settings: `snakemake search`.")
    learning_curve: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field(
        [], description="Shares of the training runs that the predictors are trained on once more; empty: no curve."
    )
    compression_curve: list[Annotated[float, Field(gt=1.0)]] = Field(
        [],
        description="Values of a snapshot per latent at which autoencoder and FNN are trained once more; empty: none.",
    )
    compression_epochs: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0, description="Of those trainings, as a share of the epochs of the whole run's."
    )
    compression_beside: dict[str, str] = Field(
        {}, description="Title to compression_curve/points.csv of another pipeline run, drawn in the same figure."
    )


class EvaluationSettings(Section):
    """What is compared, and with what."""

    conditions = (("pod_modes", "baselines", "pod_gaussian_process"),)

    baselines: list[str] = Field(
        default_factory=lambda: [method.key for method in methods("baseline")],
        description="Trivial predictors on the same split.",
    )
    pod_modes: Count = Field(48, description="Modes kept by the POD baseline.")
    singular_values: Count = Field(50, description="Singular values compared per run.")
    beside: dict[str, str] = Field(
        default_factory=dict,
        description="Networks of other runs in the table of measures: title to metrics.json, from the working "
        'directory, e.g. {"networks of the paper": "results/paper/metrics.json"}.',
    )

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, baselines: list[str]) -> list[str]:
        known = [method.key for method in methods("baseline")]
        if set(baselines) - set(known) or len(set(baselines)) < len(baselines):
            raise ValueError(f"expected each at most once of {', '.join(known)}")
        return baselines


class InferenceSettings(Section):
    """From what is observed to the parameters; off by default."""

    conditions = tuple((name, "observations", ...) for name in ("chosen", "method", "points", "solver", "seed"))

    observations: str = Field("", description="YAML file of what is observed, or mars; empty: no inference.")
    chosen: str = Field("default", description="Set of its observations that counts.")
    method: str = Field("fnn", description="What predicts them.")
    points: Annotated[int, Field(ge=32)] = Field(131072, description="Points of the trained box, a power of two.")
    solver: Literal["auto", "reference", "flow"] = Field(
        "auto", description="Even points, or those of a normalising flow; auto: the flow where too few even ones fit."
    )
    seed: int = Field(0, description="Of the points and the draws.")


class FigureSettings(Section):
    """What the figures look like."""

    formats: Annotated[list[Literal["png", "pdf", "svg"]], Field(min_length=1)] = Field(
        ["png", "pdf"], description="File formats; the report shows the first."
    )
    animations: Annotated[list[Literal["gif", "mp4"]], Field(min_length=1)] = Field(
        ["gif"], description="File formats of animations; mp4 needs ffmpeg. The report shows the first."
    )
    example_times: list[Positive] | None = Field(
        None, description="Of the example runs, Gyr; null: shares of the longest evolution (1, 2, 3, 4.5 of 4.5)."
    )
    examples: Count = Field(2, description="Number of unseen runs drawn.")
    resolution: Annotated[int, Field(ge=50, le=1200)] = Field(150, description="Dots per inch of PNG files.")


class Resources(Section):
    """What jobs ask for and how large they are; results do not depend on it."""

    shard_size: Count = Field(16, description="Raw runs per job of the simulator.")
    ingest_size: Count = Field(
        500,
        description="Raw runs per job of the ingest; more runs are staged by several jobs, and one makes the store.",
    )
    ingest_workers: Count = Field(2, description="Dask workers of an ingest job.")
    ingest_scheduler: Literal["processes", "threads"] = Field(
        "processes", description="What the workers are; processes decompress at the same time."
    )
    memory_limit: str = Field("4GB", description="Memory of all Dask workers of a job together.")


def _network(key: str) -> Any:
    """Field of the section of a network."""
    method = METHODS[key]
    return Field(default_factory=lambda: method.make_settings({}), description=method.description)


class Config(Section):
    """Everything a pipeline run depends on."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        "default", description="Results go to results/<name>/."
    )
    planet: dict[str, float] = Field(
        default_factory=dict,
        description="Constants that differ from Mars: see surrogate.planet.Planet; SI units.",
    )
    parameters: dict[str, ParameterSettings] = Field(
        default_factory=dict,
        description="By name: unit, symbol, description, low, high, logarithmic, all optional. Of simulated runs they "
        "change the simulator's own; of files they say which parameters count. {}: the simulator's, or all that vary "
        'among the files. E.g. {"rayleigh_number": {"low": 1.0e4, "high": 1.0e7, "logarithmic": true}}',
    )
    design: DesignSettings = Field(default_factory=DesignSettings, description="Which runs are simulated.")
    source: SourceSettings = Field(default_factory=SourceSettings, description="Simulate, or read existing runs.")
    simulator: SimulatorSettings = Field(default_factory=EvolutionSettings, description="The forward model.")
    corpus: CorpusSettings = Field(default_factory=CorpusSettings, description="The store made of the runs.")
    training: SharedTraining = Field(
        default_factory=SharedTraining,
        description="Of all networks; the block `training` of a network may override it.",
    )
    autoencoder: AutoencoderSettings = _network("autoencoder")
    fnn: FnnSettings = _network("fnn")
    lstm: LstmSettings = _network("lstm")
    flow: FlowSettings = _network("flow")
    studies: StudySettings = Field(
        default_factory=StudySettings, description="Further trainings that show what a choice costs."
    )
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings, description="Measures and baselines.")
    inference: InferenceSettings = Field(
        default_factory=InferenceSettings, description="Parameters that fit observations: the rule posterior."
    )
    figures: FigureSettings = Field(default_factory=FigureSettings, description="Pictures.")
    resources: Resources = Field(default_factory=Resources, description="Of the jobs.")

    @field_validator("planet")
    @classmethod
    def _known_constants(cls, constants: dict[str, float]) -> dict[str, float]:
        known = {entry.name for entry in dataclasses.fields(Planet) if isinstance(getattr(MARS, entry.name), float)}
        unknown = sorted(set(constants) - known)
        if unknown:
            raise ValueError(f"unknown constants {unknown}; expected some of {sorted(known)}")
        dataclasses.replace(MARS, **constants)  # type: ignore[arg-type]  # refuses impossible planets
        return constants

    @field_validator("parameters")
    @classmethod
    def _names(cls, parameters: dict[str, ParameterSettings]) -> dict[str, ParameterSettings]:
        if parameters:
            taken = sorted(set(parameters) & set(VARIABLES))
            if taken:
                raise ValueError(f"{', '.join(taken)}: a field or coordinate is called so; expected other names")
            ParameterSpace([Parameter(name) for name in parameters])
        return parameters

    @model_validator(mode="after")
    def _space_of_the_simulator(self) -> Config:
        if self.source.kind == "simulate":
            self.make_space()
        return self

    @property
    def named_parameters(self) -> dict[str, ParameterSettings]:
        """What is said of the parameters of existing runs; simulated ones say it themselves."""
        return self.parameters if self.source.kind == "files" else {}

    def make_space(self) -> ParameterSpace:
        """Return the parameters of the simulator, as this configuration changes them."""
        own = MODEL_PARAMETERS[self.simulator.model]
        for name, settings in self.parameters.items():
            if name not in own.names:
                near = get_close_matches(name, own.names, 1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                raise ValueError(f"parameters: unknown {name}{hint}; the simulator has {', '.join(own.names)}")
            if settings.unit is not None and own[name].in_unit(settings.unit) != own[name]:
                raise ValueError(
                    f"parameters: {name}: the simulator has it in {own[name].unit}, not in {settings.unit}"
                )
        changes = self.parameters
        return ParameterSpace([changes[p.name].describe(p) if p.name in changes else p for p in own])

    @model_validator(mode="before")
    @classmethod
    def _share_training(cls, content: Any) -> Any:
        """Hand the keys of the block `training` to every training that does not override them, or by default does."""
        if not isinstance(content, Mapping):
            return content
        shared = content.get("training", {})
        shared = shared.model_dump() if isinstance(shared, SharedTraining) else shared
        content = dict(content)
        for key, method in METHODS.items():
            section = content.get(key, {})
            if not method.trained or not isinstance(section, Mapping) or not isinstance(shared, Mapping):
                continue  # a section that is no mapping is refused where it stands
            try:
                default = method.make_settings({"network": section["network"]} if "network" in section else {})
            except ValidationError:
                continue  # so is an unknown network
            content[key] = dict(section)
            for name in type(default).model_fields:
                own, given = getattr(default, name), section.get(name, {})
                if isinstance(own, TrainingSettings) and isinstance(given, Mapping):
                    usual = SharedTraining().model_dump()
                    special = {name: value for name, value in own.model_dump().items() if usual.get(name, ...) != value}
                    content[key][name] = {**shared, **special, **given}
        return content

    def make_planet(self) -> Planet:
        """Return Mars with the constants that this configuration changes."""
        return dataclasses.replace(MARS, **self.planet)  # type: ignore[arg-type]

    @property
    def networks(self) -> dict[str, Section]:
        """Settings of all networks by the key of their method."""
        return {key: getattr(self, key) for key, method in METHODS.items() if method.trained}

    @property
    def conductivity(self) -> Literal["constant", "olivine"]:
        """Law of the runs."""
        if self.source.kind == "files":
            return self.source.conductivity
        return self.simulator.physics.conductivity if isinstance(self.simulator, EvolutionSettings) else "constant"

    @property
    def crust_heating(self) -> Literal["none", "enriched"]:
        """Whether the heat produced in the crust is in the fields of the runs."""
        if self.source.kind == "files":
            return self.source.crust_heating
        return self.simulator.physics.crust_heating if isinstance(self.simulator, EvolutionSettings) else "none"

    def effective(self) -> dict[str, Any]:
        """Return what a file would say: every key that has an effect."""

        def keys(section: Section) -> dict[str, Any]:
            values = section.model_dump(mode="json")
            parts = {name: getattr(section, name) for name in type(section).model_fields if not section.idle(name)}
            return {name: keys(part) if isinstance(part, Section) else values[name] for name, part in parts.items()}

        own = {"planet"} if self.simulator.model != "evolution" else set()
        if self.source.kind == "files":
            own = {"design", "simulator"}
        return {name: part for name, part in keys(self).items() if name not in own}

    def fingerprint(self) -> str:
        """Short digest of the whole configuration."""
        return fingerprint(self.model_dump(mode="json"))


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, key, and what was expected."""


RENAMED = {
    "design.ranges": "parameters, e.g. {activation_energy: {low: 1.0e5, high: 5.0e5}}",
    "feedforward": "fnn",
    "recurrent": "lstm",
    "generative": "flow",
    "search": "studies.search",
    "figures.learning_curve": "studies.learning_curve",
    "figures.compression_curve": "studies.compression_curve",
    "figures.compression_epochs": "studies.compression_epochs",
    "figures.compression_beside": "studies.compression_beside",
    "source.shard_size": "resources.shard_size",
    "source.ingest_size": "resources.ingest_size",
}
"""Keys of version 0.1 and what they are called now."""


@lru_cache(maxsize=8)
def _model_with(keys: tuple[str, ...]) -> type[Config]:
    fields: Any = {key: (METHODS[key].settings, _network(key)) for key in keys}
    return create_model("Config", __base__=Config, **fields) if keys else Config


def config_model() -> type[Config]:
    """Return :class:`Config` with the sections of all registered networks."""
    return _model_with(
        tuple(key for key, method in METHODS.items() if method.trained and key not in Config.model_fields)
    )


def parse(content: Any, source: str = "configuration") -> Config:
    """Validate a mapping.

    Raises
    ------
    ConfigError
        One line per wrong key: where it stands, what is wrong, what came.

    Examples
    --------
    >>> parse({"design": {"runs": 0}})
    Traceback (most recent call last):
        ...
    surrogate.config.ConfigError: configuration: design.runs: Input should be greater than or equal to 1 (got 0)
    """
    content = {} if content is None else content
    try:
        config = config_model().model_validate(content)
    except ValidationError as error:
        lines = [f"{source}: {_complaint(problem)}" for problem in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    idle = [f"{source}: {line}" for line in _without_effect(content, config)]
    if idle:
        raise ConfigError("\n".join(idle))
    return config


def _complaint(problem: Any) -> str:
    """Say of one problem that pydantic found where it is, what is wrong and what came."""
    parts = [str(part) for part in problem["loc"]]
    told_apart = "model" if parts[:1] == ["simulator"] else "network"
    kind = ""
    if len(parts) > 2 and parts[0] in (*METHODS, "simulator") and parts[1] not in _keys(parts[0]):
        kind = parts.pop(1)  # which of the sections of that name it is is no key
    place = ".".join(parts)
    message = problem["msg"]
    if problem["type"] == "extra_forbidden":
        message = f"is now called {RENAMED[place]}" if place in RENAMED else "unknown key"
        if kind and len(parts) == 2:
            message = f"unknown key, or without effect on {told_apart}: {kind}"
    return f"{place or '(top)'}: {message} (got {problem['input']!r:.80})"


def _without_effect(content: Mapping[str, Any], section: Section, place: str = "") -> Iterator[str]:
    """Tell which keys of a mapping have no effect, because of the value of another one."""
    for key in content:
        wanted = section.idle(key)
        if wanted:
            yield f"{place}{key}: has no effect; expected beside it {wanted}"
    for key, part in content.items():
        inner = getattr(section, key)
        if isinstance(inner, Section) and isinstance(part, Mapping):
            yield from _without_effect(part, inner, f"{place}{key}.")
    if isinstance(section, Config):
        if section.source.kind == "files":
            for key in ("design", "simulator"):
                if key in content:
                    yield f"{key}: has no effect; expected beside it source.kind: simulate"
        elif section.simulator.model != "evolution" and "planet" in content:
            yield "planet: has no effect; expected beside it simulator.model: evolution"


def _keys(section: str) -> set[str]:
    """Names of the keys of a section, where there is one of that name only."""
    return set(getattr(config_model().model_fields[section].annotation, "model_fields", {}))


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; a configuration must not lose one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {', '.join(repeated)} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and validate a YAML file."""
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; expected a YAML configuration") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, got {type(content).__name__}")
    return parse(content, str(path))


def schema() -> dict[str, Any]:
    """JSON schema of the configuration."""
    content = config_model().model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **content}


def documented_default() -> str:
    """Return the default configuration as YAML, each key under a comment that says what it is."""
    header = (
        "# The default run: an embedded corpus made by the built-in simulator, sized for a laptop.\n"
        "# Generated from surrogate/config.py by `make schema`; a key that is left out has the value shown here.\n"
    )
    return header + "\n".join(_documented(config_model()())) + "\n"


def _documented(section: Section, indent: int = 0, shared: SharedTraining | None = None) -> list[str]:
    """Lines of a section; a key that has no effect beside the others is a comment."""
    lines = []
    space = " " * indent
    values = section.model_dump(mode="json")
    for name, entry in type(section).model_fields.items():
        value = getattr(section, name)
        if shared and name in SharedTraining.model_fields and value == getattr(shared, name):
            continue
        lines += (
            ["", f"{space}# {entry.description}"]
            if isinstance(value, Section) and not indent
            else [f"{space}# {entry.description}"]
        )
        if isinstance(value, Section):
            common = getattr(section, "training", None) if indent == 0 else shared
            inner = common if name != "training" or indent else None
            lines += [f"{space}{name}:", *_documented(value, indent + 2, inner)]
        elif section.idle(name):
            lines[-1] = f"{space}# With {section.idle(name)}: {entry.description}"
            lines.append(f"{space}# {name}: {_flow(values[name])}")
        else:
            lines.append(f"{space}{name}: {_flow(values[name])}")
    return lines


def _flow(value: Any) -> str:
    # YAML 1.1 reads 1e+19 as a string: it wants 1.0e+19.
    return re.sub(r"(?<![\w.\"])(-?\d+)e([+-]\d+)", r"\1.0e\2", json.dumps(value))


def write_generated(root: str | os.PathLike[str] = ".") -> None:
    """Write ``config/config.yaml`` and ``workflow/schemas/config.schema.json`` below `root`."""
    files = {
        "config/config.yaml": documented_default(),
        "workflow/schemas/config.schema.json": json.dumps(schema(), indent=2) + "\n",
    }
    for name, text in files.items():
        with atomic(Path(root) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_generated()
