//! The brain against a model of ZooKeeper and of brokers.

mod random;
mod tables;
mod world;
