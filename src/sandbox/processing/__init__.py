"""Processing jobs: a program that reads from S3 and leaves there what it writes.

jobs       the operations
lifecycle  the thread that takes a job to its last status
hosts      its hosts: what each finds, and what they leave
container  a host's files below /opt/ml
"""
