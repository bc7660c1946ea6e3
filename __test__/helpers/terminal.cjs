// Loaded before the command: makes it believe that it writes to a terminal.
process.stdout.isTTY = true
process.stderr.isTTY = true
