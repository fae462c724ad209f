"""CloudWatch alarms that are evaluated, and Application Auto Scaling that acts on them."""
