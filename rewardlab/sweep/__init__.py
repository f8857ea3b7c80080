"""Many runs at once: a pool of subprocesses, what became of each, and the table at the end. Never imports torch."""
