"""Seeds with reasoning traces become approved examples in an altered reasoning structure."""
