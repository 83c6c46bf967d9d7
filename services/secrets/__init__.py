"""The secrets service: owner of credentials (values to keep) and of leases (leave to read them)."""
