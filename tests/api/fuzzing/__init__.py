"""Schemathesis against a whole platform: every operation of the description, in every role.

``test_schemathesis.py`` runs it; ``platform.py`` is the platform, all real but the pods and the
images; ``hooks.py`` is what Schemathesis loads; ``schemathesis.toml`` are its settings.
"""
