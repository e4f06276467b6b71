//! Handlers through the service, over a cluster in memory.

mod configs;
mod hostile;
mod metadata;
mod topics;
