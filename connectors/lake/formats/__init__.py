"""Files of formats that nothing reads in part: each is read whole, once, and staged as Parquet, as text is."""
