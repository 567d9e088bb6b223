"""`fleet schema`: the JSON Schema of fleet.toml, for editors."""

from __future__ import annotations

import click


@click.command(short_help="Print the JSON Schema of fleet.toml, for editors.")
def command() -> None:
    """Print the JSON Schema of fleet.toml, for editors that complete and check by it."""
    import json

    from fleet.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
