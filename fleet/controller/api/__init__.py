"""The API of a running controller: what people and programs ask of it, by HTTP on a Unix socket."""
