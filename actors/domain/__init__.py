"""Market logic without I/O and without a wall clock."""
