//! Where things are.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .expect("the tests folder lies in the checkout")
}

/// The folder in which `scripts/test.sh` collects clients and Apache's programs.
pub fn clients_dir() -> PathBuf {
    std::env::var_os("OTTLA_TEST_CLIENTS")
        .map_or_else(|| repository().join("target/clients"), PathBuf::from)
}

/// One of our binaries, built by the same `cargo` run as the test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests run from target/<profile>/deps");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace` first, as scripts/test.sh does",
        path.display()
    );
    path
}
