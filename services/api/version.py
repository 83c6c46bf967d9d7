"""The versions that clients are told."""

SATURN_VERSION = "2026.02.01"
"""The version of the Saturn API that is served; official clients compare it as a string."""
