"""Trainings: started on this machine or as a job, followed, and checked beforehand."""
