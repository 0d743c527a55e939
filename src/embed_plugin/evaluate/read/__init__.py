"""Find the files of a dataset, and read their rows: JSON Lines and Parquet."""
