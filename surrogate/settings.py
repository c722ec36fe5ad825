"""Settings of networks and their training: sections of the configuration that :mod:`surrogate.methods` names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    conditions: ClassVar[tuple[tuple[str, str, Any], ...]] = ()
    """Keys that have an effect only where another key of the section has a certain value, or holds it if it is a list;
    ``...`` stands for anything but an empty list."""

    def idle(self, key: str) -> str | None:
        """Say on which condition a key would have an effect; None if it has one."""
        for name, other, value in self.conditions:
            if name == key:
                now = getattr(self, other)
                held = bool(now) if value is ... else value in now if isinstance(now, list) else now == value
                wanted = f"{other} that is not empty" if value is ... else f"{other}: {value}"
                return None if held else wanted
        return None


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


def _training(description: str, epochs: int, batch_size: int, learning_rate: float = 1e-3) -> Any:
    """Field of a training with defaults of its own."""
    own = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    return Field(default_factory=lambda: TrainingSettings.model_validate(own), description=description)


def _network_of(default: str) -> Callable[[Any], Any]:
    """Tell which network a section describes."""

    def network(content: Any) -> Any:
        return content.get("network", default) if isinstance(content, dict) else getattr(content, "network", default)

    return network


class PodAutoencoderSettings(Section):
    """A POD with a learnt correction."""

    network: Literal["pod"] = Field("pod", description="Architecture: pod (a POD with a learnt correction), or paper.")
    latents: Count = Field(48, description="Latent variables per snapshot.")
    modes: Count = Field(200, description="POD modes that the network sees and may add to.")
    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Hidden layers of encoder and decoder each.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    lateral_weight: NotNegative = Field(
        1.0, description="Weight of the lateral anomaly in the loss, beside the temperature itself."
    )
    wall_weight: Annotated[float, Field(ge=1.0)] = Field(
        10.0, description="Weight of the rows next to the walls, which carry the heat fluxes, against their volume."
    )
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
    Annotated[PodAutoencoderSettings, Tag("pod")] | Annotated[PaperAutoencoderSettings, Tag("paper")],
    Discriminator(_network_of("pod")),
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
    Discriminator(_network_of("residual")),
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
    Discriminator(_network_of("rollout")),
]


class FlowSettings(Section):
    """The flow: draws one of the evolutions that the parameters allow, as sharp as a simulation."""

    width: Count = Field(256, description="Units per layer.")
    depth: Count = Field(3, description="Residual blocks.")
    dropout: Fraction = Field(0.1, description="Share of units dropped in training.")
    flow_steps: Count = Field(8, description="Steps from noise to a sample, two evaluations of the network each.")
    training: TrainingSettings = _training("Training.", epochs=60, batch_size=256)
