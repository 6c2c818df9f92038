"""What a deployment answers when it does not go through."""

from __future__ import annotations


class DeploymentError(RuntimeError):
    """A step failed. The message says what was found and what to do; what ran before is put back."""


class DeploymentBusyError(RuntimeError):
    """Another deployment of this workspace is under way."""
