"""What requests may hold, the only description of it: a module for each resource, named as its router."""
