"""Sub-resources that several kinds of resource have: written once, mounted at each kind."""
