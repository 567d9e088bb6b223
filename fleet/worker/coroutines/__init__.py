"""`async def` tasks, in whatever event loop they run: their steps, what they leave behind, a runner per thread."""
