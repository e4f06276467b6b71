//! The brain against a model of ZooKeeper and of brokers.

mod alterations;
mod random;
mod tables;
mod world;
