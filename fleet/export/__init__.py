"""The exports for other engines: each target makes files of one fleet.toml. Pure; the verb writes them."""
