"""What is done with orgs, users and owners."""
