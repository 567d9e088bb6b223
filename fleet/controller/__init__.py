"""The reconciler: watches fleet.toml, plans, rolls out, listens to the workers and answers the CLI. Policy."""
