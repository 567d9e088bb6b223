"""One module per library: the same tasks in each, and `preload` and `send`. Its settings come by BENCH_*."""
