"""Secret values that the platform itself makes, kept by the secrets service."""
