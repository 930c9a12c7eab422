"""The demo: five real services, faults that really happen, and a score of how they were healed."""
