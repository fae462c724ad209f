"""AWS as the cells use it: one session, what was created, waits, files to and from S3."""
