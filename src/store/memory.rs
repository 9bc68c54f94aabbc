//! Records in memory.

/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryStore;
