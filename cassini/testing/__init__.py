"""Doubles and helpers for tests, of this project and of those who extend it; they know no service."""
