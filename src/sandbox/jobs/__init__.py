"""What training and processing jobs share.

lifecycle     the thread that takes a job to its last status
running       those that run: started, found, ended with the sandbox, reported after a restart
hosts         its hosts: folders, programs, logs
host_process  a host's program
environment   its variables and interpreters
synced_folder a folder that S3 keeps up with
checks        what a request is refused for
"""
