"""Architectures in pure Keras; importing them registers what their files name."""

from surrogate.learning.networks import layers, paper, pod, rollout

__all__ = ["layers", "paper", "pod", "rollout"]
