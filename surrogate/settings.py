"""Sections of the configuration that other rooms read, too: the simulator's, and those that ``METHODS`` names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    conditions: ClassVar[tuple[tuple[str, str, Any], ...]] = ()
    """Keys that have an effect only where another key of the section has a certain value, or holds it if it is a list;
    ``...`` stands for anything but an empty list, a tuple for any of its values."""

    def idle(self, key: str) -> str | None:
        """Say on which condition a key would have an effect; None if it has one."""
        for name, other, value in self.conditions:
            if name == key:
                now = getattr(self, other)
                wanted = value if isinstance(value, tuple) else (value,)
                if value is ...:
                    return None if now else f"{other} that is not empty"
                held = set(wanted) & set(now if isinstance(now, list) else [now])
                return None if held else f"{other}: {' or '.join(map(str, wanted))}"
        return None


def _kind_of(key: str, default: str) -> Callable[[Any], Any]:
    """Tell by one of its keys which of several sections a section is."""

    def kind(content: Any) -> Any:
        return content.get(key, default) if isinstance(content, dict) else getattr(content, key, default)

    kind.__name__ = key  # pydantic names it where none of them fits
    return kind


class Physics(Section):
    """Terms of the equations, each of which can be switched off."""

    conditions = (("melt_pressure", "melting", "extracted"),)

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
    melt_pressure: Positive = Field(8.0, description="GPa; at higher pressures melt is denser than the rock and stays.")


class _ModelSettings(Section):
    """What both forward models have."""

    conditions: ClassVar[tuple[tuple[str, str, Any], ...]] = (("batch_width", "engine", "jax"),)

    model: Literal["evolution", "convection"] = Field("evolution", description="Which one.")
    snapshots: Annotated[int, Field(ge=2)] = Field(
        60, description="Equally spaced snapshots, first at 0, last at the end."
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
    maximum_steps: Count = Field(200_000, description="A run that needs more stops early and is kept as a shorter one.")
    engine: Literal["numba", "jax"] = Field(
        "numba", description="numba: each run on a core; jax: many runs at once, on a GPU or CPU (extra: jax)."
    )
    batch_width: Count = Field(64, description="Runs at once; memory grows with it, results do not change.")


class EvolutionSettings(_ModelSettings):
    """The thermal evolution of a planet."""

    model: Literal["evolution"] = Field(
        "evolution", description="evolution (of a planet), or convection (Boussinesq, dimensionless)."
    )
    geometry: Literal["cylinder", "spherical_annulus"] = Field(
        "cylinder",
        description="Cylinder with the area ratio of the sphere's boundaries, or spherical annulus of the true radii.",
    )
    radial_cells: Annotated[int, Field(ge=8)] = Field(48, description="Cells between core and surface.")
    angular_cells: Annotated[int, Field(ge=8)] = Field(64, description="Cells along the sector.")
    radial_grading: Annotated[float, Field(ge=1.0, le=20.0)] = Field(
        1.0, description="Thickness of the middle cells over that of the cells at the walls."
    )
    sector_degrees: Annotated[float, Field(gt=0, le=360)] = Field(
        90.0, description="Width of the sector; 360 closes the annulus."
    )
    end_time: Positive = Field(4.5, description="Length of the evolution, Gyr.")
    physics: Physics = Field(default_factory=Physics, description="Which terms are on.")
    viscosity_contrast: Annotated[float, Field(ge=1.0)] = Field(
        1e8,
        description="Viscosity is cut at this multiple of its current minimum; 1e6 and more leave the lid stagnant.",
    )
    maximum_time_step: Positive = Field(5.0, description="Myr.")

    @property
    def periodic(self) -> bool:
        """Whether the annulus is closed."""
        return self.sector_degrees == 360.0


class ConvectionSettings(_ModelSettings):
    """Boussinesq convection at infinite Prandtl number, dimensionless, between isothermal free-slip walls."""

    conditions = (
        ("width", "geometry", "box"),
        ("sides", "geometry", "box"),
        ("radius_ratio", "geometry", ("cylinder", "spherical_annulus")),
        ("sector_degrees", "geometry", ("cylinder", "spherical_annulus")),
        ("noise", "initial_waves", 0),
        *_ModelSettings.conditions,
    )

    model: Literal["convection"] = Field(description="Boussinesq convection.")
    geometry: Literal["box", "cylinder", "spherical_annulus"] = Field("box", description="Of thickness 1.")
    width: Positive = Field(2.0, description="Of the box, in heights.")
    sides: Literal["closed", "periodic"] = Field(
        "closed", description="Of the box: free-slip and insulating, or the right one meets the left."
    )
    radius_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.5, description="Inner over outer radius.")
    sector_degrees: Annotated[float, Field(gt=0, le=360)] = Field(
        360.0, description="Width of the sector; 360 closes the annulus."
    )
    vertical_cells: Annotated[int, Field(ge=8)] = Field(64, description="Cells between the walls.")
    lateral_cells: Annotated[int, Field(ge=8)] = Field(128, description="Cells along the walls.")
    vertical_grading: Annotated[float, Field(ge=1.0, le=20.0)] = Field(
        1.0, description="Thickness of the middle cells over that of the cells at the walls."
    )
    viscosity_contrast: Annotated[float, Field(ge=1.0, le=1e6)] = Field(
        1.0, description="Viscosity at temperature 0, that of the Rayleigh number, over that at 1; exponential between."
    )
    initial_waves: Annotated[int, Field(ge=0)] = Field(
        0, description="Half waves of the initial perturbation along the walls; 0: noise in every cell."
    )
    end_time: Positive = Field(0.2, description="Length of a run, diffusion times.")
    maximum_time_step: Positive = Field(1e-4, description="Diffusion times.")

    @property
    def periodic(self) -> bool:
        """Whether the layer closes on itself."""
        return self.sides == "periodic" if self.geometry == "box" else self.sector_degrees == 360.0

    @model_validator(mode="after")
    def _closing_waves(self) -> ConvectionSettings:
        if self.periodic and self.initial_waves % 2:
            raise ValueError(f"initial_waves: expected an even number in a periodic layer, got {self.initial_waves}")
        return self


SimulatorSettings = Annotated[
    Annotated[EvolutionSettings, Tag("evolution")] | Annotated[ConvectionSettings, Tag("convection")],
    Discriminator(_kind_of("model", "evolution")),
]


class SharedTraining(Section):
    """What the trainings of all networks have in common; the block `training` of a network may override it."""

    conditions = (("warmup_fraction", "schedule", "cosine"),)

    schedule: Literal["cosine", "constant", "steps"] = Field(
        "cosine",
        description="Of the learning rate: cosine after warm-up, constant, or a tenth at each third (the paper).",
    )
    warmup_fraction: Fraction = Field(0.05, description="Share of the steps with a rising learning rate.")
    weight_decay: NotNegative = Field(1e-4, description="AdamW.")
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


class TrainingSettings(SharedTraining):
    """How one network is trained."""

    epochs: Count = Field(100, description="At most.")
    batch_size: Count = Field(32, description="Samples per step.")
    learning_rate: Positive = Field(1e-3, description="Peak learning rate.")


def _training(description: str, epochs: int, batch_size: int, learning_rate: float = 1e-3, **more: float) -> Any:
    """Field of a training with defaults of its own."""
    own = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, **more}
    return Field(default_factory=lambda: TrainingSettings.model_validate(own), description=description)


class _LinearPathSettings(Section):
    """What autoencoders with a POD in them have in common."""

    latents: Count = Field(48, description="Latent variables per snapshot.")
    lateral_weight: NotNegative = Field(
        1.0, description="Weight of the lateral anomaly in the loss, beside the temperature itself."
    )
    wall_weight: Annotated[float, Field(ge=1.0)] = Field(
        10.0, description="Weight of the rows next to the walls, which carry the heat fluxes, against their volume."
    )


class ConvolutionalAutoencoderSettings(_LinearPathSettings):
    """Convolutions along the columns of POD modes of the rows, beside a POD."""

    network: Literal["convolutional"] = Field(
        "convolutional", description="Architecture: convolutional, pod (a POD with a learnt correction), or paper."
    )
    row_modes: Count = Field(32, description="POD modes of the rows: channels that the convolutions see.")
    channels: Annotated[list[Count], Field(min_length=1)] = Field(
        [64, 96, 96], description="Channels at a half, a quarter, ... of the columns."
    )
    blocks: Annotated[int, Field(ge=0)] = Field(1, description="Residual blocks at each of these.")
    moved: Fraction = Field(
        0.7,
        description="Share of the batches that are moved along the domain, over its sides where these are mirrors.",
    )
    refinement: Annotated[int, Field(ge=0)] = Field(
        1, description="Steps by which the encoder betters its latents, looking at what they decode to."
    )
    memory: Positive = Field(2.0, description="Gigabytes of snapshots held in memory; a larger corpus is streamed.")
    training: TrainingSettings = _training("Training.", epochs=30, batch_size=64, learning_rate=2e-3, weight_decay=0.02)


class PodAutoencoderSettings(_LinearPathSettings):
    """A POD with a learnt correction."""

    network: Literal["pod"] = Field("pod", description="Architecture.")
    modes: Count = Field(200, description="POD modes that the network sees and may add to.")
    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Hidden layers of encoder and decoder each.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    mirror: bool = Field(True, description="Train on mirror images too.")
    refinement: Annotated[int, Field(ge=0)] = Field(
        2, description="Gauss-Newton steps by which the encoder betters its latents, looking at what they decode to."
    )
    training: TrainingSettings = _training("Training.", epochs=60, batch_size=128)


class PaperAutoencoderSettings(Section):
    """The autoencoder of arXiv:2108.10105: six strided convolutions."""

    network: Literal["paper"] = Field(description="Architecture.")
    compression: Positive = Field(
        118_988 / 840, description="Values of a snapshot per latent, rounded to whole channels; the paper's by default."
    )
    memory: Positive = Field(2.0, description="Gigabytes of snapshots held in memory; a larger corpus is streamed.")
    training: TrainingSettings = _training("Training.", epochs=60, batch_size=128)


AutoencoderSettings = Annotated[
    Annotated[ConvolutionalAutoencoderSettings, Tag("convolutional")]
    | Annotated[PodAutoencoderSettings, Tag("pod")]
    | Annotated[PaperAutoencoderSettings, Tag("paper")],
    Discriminator(_kind_of("network", "convolutional")),
]


class ResidualFnnSettings(Section):
    """An ensemble of residual networks from parameters and time to latents."""

    network: Literal["residual"] = Field(
        "residual", description="Architecture: residual (an ensemble of residual networks), or paper."
    )
    width: Count = Field(128, description="Units per layer.")
    depth: Count = Field(6, description="Hidden layers.")
    dropout: Fraction = Field(0.0, description="Share of units dropped in training.")
    time_frequencies: Annotated[int, Field(ge=0)] = Field(2, description="Fourier features of time.")
    members: Count = Field(
        12, description="Networks of the ensemble, trained side by side; their mean is the prediction."
    )
    training: TrainingSettings = _training("Training.", epochs=50, batch_size=128, learning_rate=2e-3)


class PaperFnnSettings(Section):
    """The FNN of arXiv:2108.10105: eight layers of 400 units, additive skips, dropout 0.05."""

    network: Literal["paper"] = Field(description="Architecture.")
    training: TrainingSettings = _training("Training.", epochs=50, batch_size=128, learning_rate=2e-3)


FnnSettings = Annotated[
    Annotated[ResidualFnnSettings, Tag("residual")] | Annotated[PaperFnnSettings, Tag("paper")],
    Discriminator(_kind_of("network", "residual")),
]


class RolloutLstmSettings(Section):
    """An ensemble of LSTMs trained on their own rollouts."""

    network: Literal["rollout"] = Field(
        "rollout", description="Architecture: rollout (an ensemble trained on its own rollouts), or paper."
    )
    width: Count = Field(128, description="Units per layer.")
    depth: Count = Field(1, description="LSTM layers.")
    dropout: Fraction = Field(0.0, description="Share of units dropped in training.")
    time_frequencies: Annotated[int, Field(ge=0)] = Field(2, description="Fourier features of time.")
    members: Count = Field(
        8, description="Networks of the ensemble, trained side by side; their mean is the prediction."
    )
    evolution: TrainingSettings = _training(
        "Training of the mean evolution alone, before the rollouts.", epochs=50, batch_size=128, learning_rate=2e-3
    )
    training: TrainingSettings = _training("Training on whole rollouts.", epochs=12, batch_size=16)


class PaperLstmSettings(Section):
    """The LSTM of arXiv:2108.10105: four layers of 600 units on windows of the truth, dropout 0.05."""

    network: Literal["paper"] = Field(description="Architecture.")
    window: Count = Field(20, description="Steps that the network sees.")
    training: TrainingSettings = _training("Training.", epochs=12, batch_size=16)


LstmSettings = Annotated[
    Annotated[RolloutLstmSettings, Tag("rollout")] | Annotated[PaperLstmSettings, Tag("paper")],
    Discriminator(_kind_of("network", "rollout")),
]


class FlowSettings(Section):
    """The flow: draws one of the evolutions that the parameters allow, as sharp as a simulation."""

    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Residual blocks.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    flow_steps: Count = Field(8, description="Steps from noise to a sample, two evaluations of the network each.")
    training: TrainingSettings = _training("Training.", epochs=60, batch_size=256)
