"""Search: records by what their properties are.

api        the operation: order and pages
resources  what is searched, as SearchRecord describes it
properties names of properties, and the values that a record has of one
expression filters, nested filters, And and Or
"""
