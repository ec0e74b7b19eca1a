//! RocksDB behind one file: column families, batches, durability. One keyspace per environment.
