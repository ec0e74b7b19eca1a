//! How keyspaces are tuned, and what they share. An open keyspace must cost little: there may be hundreds.

use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, Env, InfoLogger, LogLevel, LruCacheOptions, Options,
    WriteBufferManager,
};

use super::{BLOB_BYTES_MIN, fault};
use crate::Fault;

/// Memtable of one keyspace, in bytes. Flushing earlier makes many small tables, later makes openings replay more.
const MEMTABLE_BYTES: usize = 16 * 1024 * 1024;
/// Allocation step of a memtable, in bytes: what an idle open keyspace holds at least.
const ARENA_BYTES: usize = 64 * 1024;
/// Log of one keyspace, in bytes, before memtables are flushed to shorten it.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
const BLOB_FILE_BYTES: u64 = 64 * 1024 * 1024;
const BLOCK_BYTES: usize = 8 * 1024;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

#[derive(Clone, Copy, Debug)]
pub struct SharedConfig {
    /// Blocks and small bodies kept in memory, in bytes, over all keyspaces.
    pub block_cache_bytes: usize,
    /// Memtables of all keyspaces together, in bytes: above it the busiest flush early.
    pub write_buffer_bytes: usize,
    /// Threads that compact; one more flushes.
    pub background_threads: u16,
}

impl Default for SharedConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            block_cache_bytes: 64 * 1024 * 1024,
            write_buffer_bytes: 96 * 1024 * 1024,
            background_threads: u16::try_from(cores / 4).unwrap_or(1).clamp(1, 16),
        }
    }
}

/// What all keyspaces of the process share.
pub struct Shared {
    options: Options,
    cache: Cache,
    write_buffers: WriteBufferManager,
}

impl Shared {
    pub fn new(config: SharedConfig) -> Result<Arc<Self>, Fault> {
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(config.block_cache_bytes);
        lru.set_num_shard_bits(4);
        let cache = Cache::new_lru_cache_opts(&lru);
        let write_buffers = WriteBufferManager::new_write_buffer_manager(config.write_buffer_bytes, false);
        let mut env = Env::new().map_err(fault)?;
        env.set_background_threads(i32::from(config.background_threads));
        env.set_high_priority_background_threads(1);
        let options = options(&config, &env, &cache, &write_buffers)?;
        Ok(Arc::new(Self { options, cache, write_buffers }))
    }

    /// Bytes in the block cache now.
    pub fn cached_bytes(&self) -> usize {
        self.cache.get_usage()
    }

    /// Bytes in memtables now, over all keyspaces.
    pub fn write_buffer_bytes(&self) -> usize {
        self.write_buffers.get_usage()
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }
}

fn options(
    config: &SharedConfig,
    env: &Env,
    cache: &Cache,
    write_buffers: &WriteBufferManager,
) -> Result<Options, Fault> {
    // What the bindings have no setter for: keep a small log unflushed across openings; do without a file that
    // repeats the identity in the manifest; do not reserve disk for logs of environments that write little.
    let mut options = Options::default()
        .get_options_from_string(
            "avoid_flush_during_recovery=true;avoid_flush_during_shutdown=true;write_identity_file=false;\
             write_dbid_to_manifest=true;allow_fallocate=false",
        )
        .map_err(fault)?;
    options.create_if_missing(true);
    options.set_env(env);
    options.set_write_buffer_manager(write_buffers);
    options.set_max_background_jobs(i32::from(config.background_threads) + 1);
    // Tables stay open: no look-up in a table cache on the way of a read.
    options.set_max_open_files(-1);
    options.set_max_file_opening_threads(1);
    options.set_table_cache_num_shard_bits(0);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Error, |level, text| {
        // Headers pass the threshold as information: some hundred lines of options at each opening.
        if matches!(level, LogLevel::Error | LogLevel::Fatal) {
            tracing::error!(target: "rocksdb", "{}", text.trim_end());
        }
    }));
    options.set_manifest_preallocation_size(16 * 1024);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    options.set_avoid_unnecessary_blocking_io(true);
    memtables(&mut options);
    tables(&mut options, cache);
    Ok(options)
}

fn memtables(options: &mut Options) {
    options.set_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_write_buffer_number(4);
    options.set_arena_block_size(ARENA_BYTES);
}

fn tables(options: &mut Options, cache: &Cache) {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    // Indexes and filters stay with their open table: a look-up in the cache for each would dominate a seek. They are
    // about one per cent of the tables, and go when the keyspace is closed.
    blocks.set_cache_index_and_filter_blocks(false);
    blocks.set_block_restart_interval(8);
    blocks.set_format_version(6);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_level_zero_file_num_compaction_trigger(2);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_blob_cache(cache);
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.5);
    options.set_blob_gc_force_threshold(0.6);
}
