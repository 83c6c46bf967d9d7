"""Secret values: those that people keep here, and those that the platform makes itself."""
