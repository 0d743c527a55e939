"""Find the files of a data set, and read their rows: JSON Lines and Parquet."""
