"""Leave out of a file what is not embedded: front matter, base64, the licence over source code, tables of contents."""
