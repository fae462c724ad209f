"""What the pipeline of notebook 03-llmops/06 runs, and how one watches it.

prepare, evaluate   entry points of its processing jobs
generate, report    what evaluate is made of
job                 how both end: a line for AWS, three lines for an error
sources             the folder with just that, which is sent to the jobs
inputs              what they read, brought to S3
execution           an execution as AWS describes it; watch waits for its end, graph draws it
versions            which version serves, and the report that it was registered with
results             what came of an execution, for the cells
closing             the endpoint at the end: deleted or kept
"""
