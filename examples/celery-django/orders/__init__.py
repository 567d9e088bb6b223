"""Orders, billed in the background."""
