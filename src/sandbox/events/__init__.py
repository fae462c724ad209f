"""EventBridge: rules of the default bus, which start a pipeline when an alarm changes its state.

api           the service, its bus and its pages
rules         operations on rules and their targets
tags          operations on the tags of rules
sending       events of one's own, and the trial of a pattern
patterns      which events a pattern matches: moto's, checked
alarm_events  the event of an alarm's change of state
inbox         where events are put by whoever sends them
bus           which rules an event triggers, and the thread that starts their targets
targets       what a target asks for, and the start of its pipeline
"""
