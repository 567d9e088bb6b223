"""The state that a controller keeps in the state directory, and what is effective by it."""
