"""Models, endpoint configurations, endpoints and inference components, and the calls that invoke them.

what a call does    models, endpoint_configs, endpoints, endpoint_weights, components
what is to run      specs, instance_types
what runs           running_endpoint, running_component: each a pool of instances; machines, adapters
what a copy is      instance, server_process, container_environment, model_files
how it changes      lifecycle, deployment_policy, rollout
how it is invoked   runtime, request_headers, invocation_target, connections, event_stream, metrics
"""
