"""SageMaker Pipelines: their definitions, and the executions that run them.

pipelines   operations on pipelines and their versions
executions  operations on executions
running     those that run: started, ended with the sandbox, reported after a restart
lifecycle   the thread of one execution
progress    what its record says: what can begin, what runs, how it ends
attempts    how a step begins and what becomes of it
steps       what each type of step makes, found again by its name
retries     when a step is tried again
selection   executions of some steps only
calls       calls with the role of the pipeline
definition  what a pipeline is made of; step_definition, arguments, parameters, references read its parts
values      what a value is while the execution runs; conditions, caching
"""
