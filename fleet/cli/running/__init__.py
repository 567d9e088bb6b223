"""The running fleet behind the verbs: talking to one, or starting one."""
