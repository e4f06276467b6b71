//! The files in `config/` of the repository.

use std::path::{Path, PathBuf};

use ottla_config::ServerConfig;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[test]
fn the_reference_is_fresh() {
    let found = std::fs::read_to_string(folder().join("reference.md")).unwrap_or_default();
    assert!(
        found == ottla_config::reference::markdown(),
        "config/reference.md is stale: cargo run -p ottla-config --example reference"
    );
}

#[test]
fn our_own_files_load_without_a_warning() {
    for (name, port) in [
        ("server.properties", 9092),
        ("server-0.properties", 9092),
        ("server-1.properties", 9093),
        ("server-2.properties", 9094),
    ] {
        let (config, warnings) = ServerConfig::load(&folder().join(name), &[]).unwrap();
        assert_eq!(warnings, [], "{name}");
        assert_eq!(config.listeners.bind[0].port, port, "{name}");
    }
}
