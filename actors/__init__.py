"""The processes of SessionFlow: roles, the runtime that moves their messages, and their supervisor."""
