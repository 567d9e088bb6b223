"""Running a user's task in real workers for a moment, on a broker of its own, and measuring it."""
