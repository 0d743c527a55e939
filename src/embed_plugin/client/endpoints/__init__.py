"""The APIs of embedding services: requests and responses, without input or output."""
