"""The connections of the service: parsers made strict, limits of time and size, and a cap for each address.

uvicorn limits neither the head of a request nor its trailers, nor how long a client may take for either. A proxy would,
but this service must not need one.
"""
