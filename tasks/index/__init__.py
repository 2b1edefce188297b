"""A search index over vectors: HNSW shards or exact search, with ids, filters and changes between builds."""
