"""The papers' tables, their numbers beside ours."""
