"""The configuration: one pydantic model per section of ``config/*.yaml``.

The JSON schema in ``workflow/schemas/`` and the documented default ``config/config.yaml`` are generated from these
models (``python -m surrogate.config``), so they cannot drift apart. A key that is not known here is an error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from surrogate.files import atomic, fingerprint
from surrogate.parameters import PARAMETERS
from surrogate.planet import MARS, Planet

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Physics(Section):
    """Terms of the equations, each of which can be switched off."""

    adiabatic_heating: bool = Field(True, description="Heating and cooling by compression (extended Boussinesq).")
    viscous_dissipation: bool = Field(True, description="Heating by viscous dissipation (extended Boussinesq).")
    radiogenic_heating: bool = Field(True, description="Decaying heat sources.")
    core_cooling: bool = Field(True, description="The core loses the heat that enters the mantle.")
    phase_transitions: bool = Field(True, description="Buoyancy and latent heat of the planet's phase transitions.")
    conductivity: Literal["constant", "olivine"] = Field(
        "olivine", description="Constant, or of temperature and pressure (Tosi et al. 2013)."
    )
    expansivity: Literal["constant", "olivine"] = Field(
        "olivine", description="Constant, or of temperature and pressure (Tosi et al. 2013)."
    )
    crust_heating: Literal["none", "enriched"] = Field(
        "none", description="Whether the heat produced in the crust enters the temperature field."
    )
    melting: Literal["none", "extracted"] = Field(
        "none", description="Whether melt forms at the solidus of peridotite and takes its heat away at once."
    )
    melt_pressure: Positive = Field(
        8.0, description="GPa; at higher pressures melt is denser than the rock and stays (melting: extracted)."
    )


class SimulatorSettings(Section):
    """The forward model: grid, physics, numerics, output."""

    radial_cells: Annotated[int, Field(ge=8)] = Field(48, description="Cells between core and surface.")
    angular_cells: Annotated[int, Field(ge=8)] = Field(64, description="Cells along the sector.")
    radial_grading: Annotated[float, Field(ge=1.0, le=20.0)] = Field(
        1.0, description="Thickness of the middle cells over that of the cells at the walls."
    )
    sector_degrees: Annotated[float, Field(gt=0, le=360)] = Field(
        90.0, description="Width of the sector; 360 closes the annulus."
    )
    snapshots: Annotated[int, Field(ge=2)] = Field(
        60, description="Equally spaced snapshots, first at 0, last at the end."
    )
    end_time: Positive = Field(4.5, description="Length of the evolution, Gyr.")
    physics: Physics = Field(default_factory=Physics, description="Which terms are on.")
    viscosity_contrast: Annotated[float, Field(ge=1.0)] = Field(
        1e8,
        description="Viscosity is cut at this multiple of its current minimum; 1e6 and more leave the lid stagnant.",
    )
    noise_amplitude: Annotated[float, Field(ge=0.0, le=0.5)] = Field(
        0.05, description="Initial perturbation, as a fraction of the temperature scale, times sin(pi z)."
    )
    noise: Literal["shared", "per_run"] = Field(
        "shared",
        description="One initial perturbation for all runs, or one drawn from the seed and number of each run.",
    )
    courant_number: Annotated[float, Field(gt=0.0, le=1.3)] = Field(1.0, description="Advective time step limit.")
    advection_substeps: Annotated[int, Field(ge=1, le=4)] = Field(2, description="Energy steps per Stokes solution.")
    stokes_tolerance: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        1e-2, description="Relative tolerance of the Stokes solution in the energy norm."
    )
    maximum_time_step: Positive = Field(5.0, description="Myr.")
    maximum_steps: Count = Field(200_000, description="A run that needs more stops early and is kept as a shorter one.")
    engine: Literal["numba", "jax"] = Field(
        "numba", description="numba: each run on a core; jax: many runs at once, on a GPU or CPU (extra: jax)."
    )
    batch_width: Count = Field(
        64, description="Runs at once (engine: jax); memory grows with it, results do not change."
    )


class DesignSettings(Section):
    """Which points of parameter space are simulated."""

    runs: Count = Field(128, description="Number of runs: a scrambled Sobol sample (a power of two balances it).")
    seed: int = Field(2108, description="Of the scrambling and of the initial perturbations.")
    ranges: dict[str, tuple[float, float]] = Field(
        default_factory=lambda: {parameter.name: (parameter.low, parameter.high) for parameter in PARAMETERS},
        description="Lower and upper limit of each parameter, SI units.",
    )

    @field_validator("ranges")
    @classmethod
    def _complete(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        names = [parameter.name for parameter in PARAMETERS]
        if sorted(ranges) != sorted(names):
            raise ValueError(f"expected exactly the parameters {names}, got {sorted(ranges)}")
        for name, (low, high) in ranges.items():
            if not 0 < low < high:
                raise ValueError(f"{name}: expected 0 < low < high, got {low:g} .. {high:g}")
        return {name: ranges[name] for name in names}


class SourceSettings(Section):
    """Where the raw runs come from."""

    kind: Literal["simulate", "files"] = Field("simulate", description="Make the runs, or read existing ones.")
    files: str = Field("", description="Glob of existing raw runs (kind: files), relative to the working directory.")
    reader: str = Field("auto", description="Name of a reader (entry point group surrogate.readers), or auto.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the reader.")
    shard_size: Count = Field(16, description="Raw runs per job of the simulator.")
    ingest_size: Count = Field(
        500,
        description="Raw runs per job of the ingest; more runs are staged by several jobs, and one makes the store.",
    )

    @model_validator(mode="after")
    def _files_named(self) -> SourceSettings:
        if self.kind == "files" and not self.files:
            raise ValueError("source.files must name the raw runs when source.kind is 'files'")
        return self


class CorpusSettings(Section):
    """How raw runs become one store."""

    radial_cells: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Grid of the store; null keeps the runs' own."
    )
    angular_cells: Annotated[int, Field(ge=8)] | None = Field(
        None, description="Grid of the store; null keeps the runs' own."
    )
    times: Literal["keep", "resample"] = Field(
        "keep", description="Keep each run's times, or interpolate to common ones."
    )
    snapshots: Annotated[int, Field(ge=2)] = Field(60, description="Number of common times (times: resample).")
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


class TrainingSettings(Section):
    """How one network is trained."""

    epochs: Count = Field(100, description="At most.")
    batch_size: Count = Field(32, description="Samples per step.")
    learning_rate: Positive = Field(1e-3, description="Peak learning rate.")
    schedule: Literal["cosine", "constant", "steps"] = Field(
        "cosine",
        description="Of the learning rate: cosine after warm-up, constant, or a tenth at each third (the paper).",
    )
    warmup_fraction: Fraction = Field(0.05, description="Share of the steps with a rising learning rate.")
    weight_decay: Annotated[float, Field(ge=0.0)] = Field(1e-4, description="AdamW.")
    patience: Count = Field(1000, description="Epochs without a better validation loss before training stops.")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="Of the arithmetic."
    )
    deterministic: bool = Field(False, description="Bitwise repeatable, slower.")
    distribute: bool = Field(False, description="Share each batch among all GPUs of the machine.")
    loggers: list[Literal["tensorboard", "mlflow"]] = Field(
        [], description="Follow the training there too; losses.csv is always written."
    )
    seed: int = Field(5, description="Of initial weights, shuffling and dropout.")


class AutoencoderSettings(Section):
    """The compression of snapshots to latents."""

    network: Literal["default", "paper"] = Field("default", description="Architecture.")
    latents: Count = Field(48, description="Latent variables per snapshot.")
    modes: Count = Field(200, description="POD modes that the network sees and may add to.")
    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Hidden layers of encoder and decoder each.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    lateral_weight: Annotated[float, Field(ge=0.0)] = Field(
        1.0, description="Weight of the lateral anomaly in the loss, beside the temperature itself."
    )
    wall_weight: Annotated[float, Field(ge=1.0)] = Field(
        10.0, description="Weight of the rows next to the walls, which carry the heat fluxes, against their volume."
    )
    mirror: bool = Field(True, description="Train on mirror images too.")
    refinement: Annotated[int, Field(ge=0)] = Field(
        2, description="Gauss-Newton steps by which the encoder betters its latents, looking at what they decode to."
    )
    memory: Positive = Field(2.0, description="Gigabytes of snapshots held in memory; a larger corpus is streamed.")
    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(epochs=60, batch_size=128), description="Training."
    )


class FnnSettings(Section):
    """The FNN: parameters and time to latents."""

    network: Literal["default", "paper"] = Field("default", description="Architecture.")
    width: Count = Field(128, description="Units per layer.")
    depth: Count = Field(6, description="Hidden layers.")
    dropout: Fraction = Field(0.0, description="Share of units dropped in training.")
    time_frequencies: Annotated[int, Field(ge=0)] = Field(2, description="Fourier features of time.")
    members: Count = Field(
        12, description="Networks of the ensemble, trained side by side; their mean is the prediction."
    )
    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(epochs=50, batch_size=128, learning_rate=2e-3), description="Training."
    )


class LstmSettings(Section):
    """The LSTM: parameters and past latents to the next latents."""

    network: Literal["default", "paper"] = Field("default", description="Architecture.")
    width: Count = Field(128, description="Units per layer.")
    depth: Count = Field(1, description="LSTM layers.")
    dropout: Fraction = Field(0.0, description="Share of units dropped in training.")
    time_frequencies: Annotated[int, Field(ge=0)] = Field(2, description="Fourier features of time.")
    members: Count = Field(
        8, description="Networks of the ensemble, trained side by side; their mean is the prediction."
    )
    window: Count = Field(20, description="Steps seen by the paper's network.")
    evolution: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(epochs=50, batch_size=128, learning_rate=2e-3),
        description="Training of the mean evolution alone, before the rollouts.",
    )
    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(epochs=12, batch_size=16, learning_rate=1e-3),
        description="Training on whole rollouts.",
    )


class FlowSettings(Section):
    """The flow: draws one of the evolutions that the parameters allow, as sharp as a simulation."""

    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Residual blocks.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    flow_steps: Count = Field(8, description="Steps from noise to a sample, two evaluations of the network each.")
    training: TrainingSettings = Field(
        default_factory=lambda: TrainingSettings(epochs=60, batch_size=256), description="Training."
    )


class SearchSettings(Section):
    """Search for better settings of a predictor (`snakemake search`; not part of a normal run)."""

    predictor: Literal["fnn", "lstm"] = Field("fnn", description="Whose settings.")
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

    @field_validator("ranges")
    @classmethod
    def _rising(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            if not low < high:
                raise ValueError(f"{name}: expected low < high, got {low:g} .. {high:g}")
        if not ranges:
            raise ValueError("expected at least one range")
        return ranges


class EvaluationSettings(Section):
    """What is compared, and with what."""

    baselines: list[Literal["mean_profile", "nearest_run", "pod_gaussian_process"]] = Field(
        ["mean_profile", "nearest_run", "pod_gaussian_process"],
        description="Trivial predictors on the same split.",
    )
    pod_modes: Count = Field(48, description="Modes kept by the POD baseline.")
    singular_values: Count = Field(50, description="Singular values compared per run.")
    beside: dict[str, str] = Field(
        default_factory=dict,
        description="Networks of other runs in the table of measures: title to metrics.json, from the working "
        'directory, e.g. {"networks of the paper": "results/paper/metrics.json"}.',
    )


class FigureSettings(Section):
    """What the figures look like."""

    formats: Annotated[list[Literal["png", "pdf", "svg"]], Field(min_length=1)] = Field(
        ["png", "pdf"], description="File formats; the report shows the first."
    )
    animations: Annotated[list[Literal["gif", "mp4"]], Field(min_length=1)] = Field(
        ["gif"], description="File formats of animations; mp4 needs ffmpeg. The report shows the first."
    )
    example_times: list[Positive] = Field([1.0, 2.0, 3.0, 4.5], description="Of the example runs, Gyr.")
    examples: Count = Field(2, description="Number of unseen runs drawn.")
    learning_curve: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field(
        [], description="Shares of the training runs that both predictors are trained on once more; empty: no curve."
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
    resolution: Annotated[int, Field(ge=50, le=1200)] = Field(150, description="Dots per inch of PNG files.")


class Resources(Section):
    """What jobs ask for; profiles may override it."""

    ingest_workers: Count = Field(2, description="Dask workers of an ingest job.")
    ingest_scheduler: Literal["processes", "threads"] = Field(
        "processes", description="What the workers are; processes decompress at the same time."
    )
    memory_limit: str = Field("4GB", description="Memory of all Dask workers of a job together.")


class Config(Section):
    """Everything a pipeline run depends on."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = Field(
        "default", description="Results go to results/<name>/."
    )
    planet: dict[str, float] = Field(
        default_factory=dict,
        description="Constants that differ from Mars: see surrogate.planet.Planet; SI units.",
    )
    design: DesignSettings = Field(default_factory=DesignSettings, description="Which runs are simulated.")
    source: SourceSettings = Field(default_factory=SourceSettings, description="Simulate, or read existing runs.")
    simulator: SimulatorSettings = Field(default_factory=SimulatorSettings, description="The forward model.")
    corpus: CorpusSettings = Field(default_factory=CorpusSettings, description="The store made of the runs.")
    autoencoder: AutoencoderSettings = Field(default_factory=AutoencoderSettings, description="Snapshots to latents.")
    fnn: FnnSettings = Field(default_factory=FnnSettings, description="FNN in the latent space.")
    lstm: LstmSettings = Field(default_factory=LstmSettings, description="LSTM in the latent space.")
    flow: FlowSettings = Field(
        default_factory=FlowSettings, description="Flow in the latent space: samples around the FNN's mean."
    )
    search: SearchSettings = Field(default_factory=SearchSettings, description="For settings; not part of a run.")
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings, description="Measures and baselines.")
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

    def make_planet(self) -> Planet:
        """Return Mars with the constants that this configuration changes."""
        return dataclasses.replace(MARS, **self.planet)  # type: ignore[arg-type]

    def fingerprint(self) -> str:
        """Short digest of the whole configuration."""
        return fingerprint(self.model_dump(mode="json"))


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, key, and what was expected."""


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
    try:
        return Config.model_validate({} if content is None else content)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            place = ".".join(map(str, problem["loc"])) or "(top)"
            message = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
            lines.append(f"{source}: {place}: {message} (got {problem['input']!r:.80})")
        raise ConfigError("\n".join(lines)) from None


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


def load(path: str | os.PathLike[str]) -> Config:
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
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def documented_default() -> str:
    """Return the default configuration as YAML, each key under a comment that says what it is."""
    header = (
        "# The default run: an embedded corpus made by the built-in simulator, sized for a laptop.\n"
        "# Generated from surrogate/config.py by `make schema`; a key that is left out has the value shown here.\n"
    )
    return header + "\n".join(_documented(Config())) + "\n"


def _documented(section: Section, indent: int = 0) -> list[str]:
    lines = []
    space = " " * indent
    for name, entry in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            lines += ["", f"{space}# {entry.description}"] if indent == 0 else [f"{space}# {entry.description}"]
            lines += [f"{space}{name}:", *_documented(value, indent + 2)]
        else:
            text = _flow(section.model_dump(mode="json")[name])
            lines += [f"{space}# {entry.description}", f"{space}{name}: {text}"]
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
