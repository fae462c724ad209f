"""Serve a model on this machine before it is served on AWS: plan, check, start, ask, load, stop.

plan = serving_plan(settings, state.model.model_dir)     # image, environment, mounts, command
facts = ModelFacts.of_folder(plan.model_dir)
problems = check_deployment(
    plan.engine, plan.environment, facts, instance_type=settings.endpoint_instance_type
)
with start_server(plan, log_path=..., timeout_s=...) as server:
    client = Client(server.url, DIALECTS[plan.engine])
    result = load_test(client, questions, num_users=4, num_requests=40)
"""
