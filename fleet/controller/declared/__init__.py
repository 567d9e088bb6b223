"""The declared configuration: fleet.toml noticed, read, compared with what was declared before."""
