"""The model registry: versions of models in groups, their approval, and models made of them.

groups         model package groups, which number their versions
packages       what is registered, changed, listed and deleted
specification  what a package holds: containers, where its files are; and what a model takes of it
names          a group or a package by its name or its ARN
"""
