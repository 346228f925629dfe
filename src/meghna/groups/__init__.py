"""Consumer groups: who is a member, who reads what, and how far everybody has read.

The classic group protocol as pure decisions (`group`, `joining`, `syncing`, `leaving`), committed
offsets (`offsets`), and the coordinator that runs them over `__consumer_offsets`.
"""
