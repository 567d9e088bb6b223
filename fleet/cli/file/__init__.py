"""The file behind the verbs: finding and loading a fleet.toml, and what they ask about it."""
