"""The demonstration: bars in, a model trained a minute ago, bands on the screen and in the browser."""

from ops.demo.demo import Demo, run_demo

__all__ = ["Demo", "run_demo"]
