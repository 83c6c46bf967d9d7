"""One pure file a kind: what a workload of that kind needs to run, for every backend alike."""
