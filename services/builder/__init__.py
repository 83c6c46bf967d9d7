"""The builder service: owner of the ``image`` noun; makes, verifies and removes images."""
