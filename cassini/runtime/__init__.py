"""The plumbing under every service. It knows no kind of resource."""
