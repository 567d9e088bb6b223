"""One module for each kind of task, with the right answer beside it, and why: written before any tool was asked.

`RIGHT` is (pools, fewest, most at once), or APART: its tasks want two queues. "cpus" is how many CPUs there are.
`START` is how somebody might have written it down at first; `SENT` how many messages are a wave; `BURSTS`: there are
pauses between the waves. `BUDGET`: of the bench, where tasks take longer than usual. `MEMORY`: what [machine] says.
"""

APART = "two queues, a group each"
