"""What outlives the process: resources and S3 objects, on disk."""
