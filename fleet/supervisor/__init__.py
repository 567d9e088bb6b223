"""supervisord in this process, its thin plugin, and the client to both. Mechanism, no policy."""
