"""How fast the course is, against the published code."""
