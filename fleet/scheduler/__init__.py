"""The process that sends what `[[schedules]]` declares, each run once, and remembers it in the broker."""
