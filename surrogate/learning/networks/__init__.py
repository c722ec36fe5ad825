"""Architectures in pure Keras; importing them registers what their files name."""

from surrogate.learning.networks import convolutional, layers, paper, pod, rollout

__all__ = ["convolutional", "layers", "paper", "pod", "rollout"]
