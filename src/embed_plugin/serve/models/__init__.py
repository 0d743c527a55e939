"""The models of a service: how they are loaded, named and found, and the texts that a request gives to one."""
