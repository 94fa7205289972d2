"""Engines that run a network behind one call; each is imported only when it is used."""

from segx.inference.runtimes.runtime import Precision, Runtime

__all__ = ["Precision", "Runtime"]
