"""Vocabulary and delivery: typed messages, subjects, mailboxes and the in-process bus."""
