"""Model folders: the manifest, the arrays, and what each byte is spent on.

What reads or writes a stored model belongs here; nothing here trains.
"""
