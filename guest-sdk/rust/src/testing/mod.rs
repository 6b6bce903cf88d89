//! In-memory cluster.
