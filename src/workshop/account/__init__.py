"""What the workshop has in an account and on this machine: found, priced, deleted when that is confirmed."""
