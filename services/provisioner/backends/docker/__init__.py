"""Pods as containers of a Docker engine."""

from services.provisioner.backends.docker.backend import DockerBackend

__all__ = ["DockerBackend"]
