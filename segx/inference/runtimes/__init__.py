"""Engines that run a network behind one call; each is imported only when it is used."""

from segx.inference.runtimes.runtime import BoxRuntime, Head, Precision, Runtime

__all__ = ["BoxRuntime", "Head", "Precision", "Runtime"]
