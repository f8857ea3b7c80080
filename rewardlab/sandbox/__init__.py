"""Code that nobody has read, run in a process that can only compute: `process` is our end of it, `worker` the other."""
