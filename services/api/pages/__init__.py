"""The plain pages: sign in, and where everything is."""
