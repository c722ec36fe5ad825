"""Networks, baselines and their training; Keras is imported when a name is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surrogate.learning.autoencoder import Autoencoder, decode_corpus, encode_corpus, train_autoencoder
    from surrogate.learning.folders import ModelError
    from surrogate.learning.predictions import predict_baseline, predict_latents, predict_split
    from surrogate.learning.predictor import LatentPredictor, Predictor, load_predictor, train_predictor
    from surrogate.learning.studies.compression import train_at_compression
    from surrogate.learning.studies.learning_curve import train_on_share
    from surrogate.learning.studies.search import search_settings

_HOMES = {
    "autoencoder": ("Autoencoder", "decode_corpus", "encode_corpus", "train_autoencoder"),
    "folders": ("ModelError",),
    "predictions": ("predict_baseline", "predict_latents", "predict_split"),
    "predictor": ("LatentPredictor", "Predictor", "load_predictor", "train_predictor"),
    "studies.compression": ("train_at_compression",),
    "studies.learning_curve": ("train_on_share",),
    "studies.search": ("search_settings",),
}

__all__ = [
    "Autoencoder",
    "LatentPredictor",
    "ModelError",
    "Predictor",
    "decode_corpus",
    "encode_corpus",
    "load_predictor",
    "predict_baseline",
    "predict_latents",
    "predict_split",
    "search_settings",
    "train_at_compression",
    "train_autoencoder",
    "train_on_share",
    "train_predictor",
]

if not TYPE_CHECKING:  # for which a misspelt name is an error

    def __getattr__(name: str) -> Any:
        for module, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
