"""Ways to make weights smaller, one beside the other, and the coders that they share.

How a method works belongs here; when it is used, and within which budget, does not.
"""
