"""Images and their versions: what workloads are made from."""
