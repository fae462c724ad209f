"""Docker on this machine, for Local Mode and for serving containers: what it lacks, and its images."""
