"""What people start and stop: rows, life cycle, status and routes."""
