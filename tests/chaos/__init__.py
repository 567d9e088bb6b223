"""Faults at random against real fleets, and the proof afterwards that nothing was lost.

`python -m tests.chaos --help` runs any of it at any length; test_chaos.py is the short run for CI.

schedule → mix (publish, strike, wait) → verdict reads the journal that the tasks and the publisher wrote.
"""
