"""Where images are made and kept; each backend is loaded only when it is used."""
