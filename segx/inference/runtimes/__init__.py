"""Engines that run a network behind one call; each is imported only when it is used."""

from segx.inference.runtimes.runtime import Head, Precision, Runtime

__all__ = ["Head", "Precision", "Runtime"]
