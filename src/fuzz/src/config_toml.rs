//! The same settings in TOML: a file is read whole or refused with a line of its own.

use std::cell::RefCell;
use std::path::PathBuf;

use ottla_config::ServerConfig;
use tempfile::TempDir;

thread_local! {
    static FILE: RefCell<Option<(TempDir, PathBuf)>> = const { RefCell::new(None) };
}

/// The target.
pub fn run(input: &[u8]) {
    FILE.with_borrow_mut(|file| {
        let (_, path) = file.get_or_insert_with(|| {
            let folder = crate::log_directory::temporary_folder();
            let path = folder.path().join("server.toml");
            (folder, path)
        });
        std::fs::write(&*path, input).expect("the temporary folder can be written");
        let _ = ServerConfig::load(path, &[]);
    });
}

/// Files as people write them.
pub fn corpus() -> Vec<Vec<u8>> {
    let texts = [
        "broker.id = 0\nzookeeper.connect = \"h:2181\"\n[log]\ndirs = [\"/tmp/a\", \"/tmp/b\"]\nretention.hours = 168\n",
        "\"broker.id\" = \"1\"\nzookeeper = { connect = 'h' }\nlisteners = \"\"\"PLAINTEXT://:9092\"\"\"\nauto.create.topics.enable = false # no\nlog.cleaner.min.cleanable.ratio = 0.5\n",
        "[[a]]\nb = 1\n[c.d]\ne = 1979-05-27T07:32:00Z\nf = [1, [2, 3]]\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
