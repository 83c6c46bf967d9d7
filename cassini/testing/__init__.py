"""Doubles and helpers for tests of this project and of extensions; they know no service."""
