"""Models, endpoint configurations and endpoints, and the calls that invoke them."""
