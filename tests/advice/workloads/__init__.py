"""One module for each kind of task, with the right answer beside it, and why: written before any tool was asked.

`RIGHT` is (pools, fewest, most at once), or "apart": two queues, a group each. "cpus" is how many CPUs there are.
`START` is how somebody might have written it down at first; `SENT` how many messages are a wave; `BURSTS`: there are
pauses between the waves. `EVERY`: of each task how many for each of the others. `BUDGET`: of the bench, where tasks
take longer than usual. `MEMORY`: what [machine] says. All of them are literals: the judge reads them and imports
nothing.
"""
