//! Writes `config/reference.md` anew from the table of keys.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/reference.md");
    std::fs::write(page, ottla_config::reference::markdown())
}
