"""Live views: what stays in place on a terminal and changes as it is measured, and how far something that takes long has come."""
