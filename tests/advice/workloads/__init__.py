"""One module for each kind of task, with the right answer beside it: `RIGHT` is (pools, fewest, most at once)."""
