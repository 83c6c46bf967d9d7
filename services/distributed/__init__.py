"""The distributed form: each service in processes of its own, any number of each."""
