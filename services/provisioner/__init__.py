"""The provisioner: owner of workloads and of the backend that runs them."""
