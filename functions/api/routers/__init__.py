"""The routes, a module for each resource. It is loaded with the first request for the resource."""
