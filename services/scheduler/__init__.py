"""The scheduler: will own jobs and their runs; today it has its place and answers for itself."""
