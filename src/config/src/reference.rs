//! `config/reference.md`, written from the table.

use std::fmt::Write as _;

use crate::key::{Check, KeyDef, Support, Update};
use crate::table::{BROKER_SECTIONS, topic_keys};

/// The whole page.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration reference\n\n\
         Written from the table in `src/config/src/table` by \
         `cargo run -p ottla-config --example reference`; do not edit.\n\n\
         A file holds `key=value` lines as Java reads properties, or the same keys in TOML when \
         its name ends in `.toml`. `--override key=value` beats the file.\n\n\
         Changes: *restart* needs a restart; *broker* and *cluster* take effect while the broker \
         runs (`kafka-configs.sh --entity-type brokers`), for one broker or also for all. A key \
         marked with a circle (○) is accepted, with a warning, but this broker does not act on it \
         (yet, or ever where the text says so).\n\n",
    );
    page.push_str("## Contents\n\n");
    for title in BROKER_SECTIONS.iter().map(|section| section.title) {
        let _ = writeln!(page, "- [{title}](#{})", anchor(title));
    }
    page.push_str("- [Topics' own keys](#topics-own-keys)\n\n");
    for section in BROKER_SECTIONS {
        let _ = writeln!(page, "## {}\n", section.title);
        page.push_str("| key | default | type | change | what it does |\n|---|---|---|---|---|\n");
        for key in section.keys.iter().filter(|key| !key.internal) {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} |",
                name(key),
                default(key),
                kind(key),
                change(key),
                cell(key.doc)
            );
        }
        page.push('\n');
    }
    page.push_str(
        "## Topics' own keys\n\nSet when a topic is created or altered. Without one, the broker's \
         key counts.\n\n| key | broker's key | default | type | what it does |\n|---|---|---|---|---|\n",
    );
    for key in topic_keys() {
        let broker: Vec<_> = key
            .synonyms
            .iter()
            .map(|s| format!("`{}`", s.key))
            .collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            name(key),
            broker.join(", "),
            default(key),
            kind(key),
            cell(key.doc)
        );
    }
    page
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn name(key: &KeyDef) -> String {
    let mark = match key.support {
        Support::Works => "",
        Support::NotYet | Support::NoUse => " ○",
    };
    format!("`{}`{mark}", key.name)
}

fn default(key: &KeyDef) -> String {
    match key.default {
        None => "–".to_owned(),
        Some("") => "empty".to_owned(),
        Some("9223372036854775807" | "1.7976931348623157E308") => "no limit".to_owned(),
        Some(text) => format!("`{}`", text.replace(',', ", ")),
    }
}

fn kind(key: &KeyDef) -> String {
    let kind = key.value_type.name().to_lowercase();
    match key.check {
        Check::Any => kind,
        Check::AtLeast(least) => format!("{kind} ≥ {least}"),
        Check::Between(least, most) => format!("{kind} {least}..{most}"),
        Check::GzipLevel => format!("{kind} 1..9 or -1"),
        Check::OneOf(choices) | Check::Among(choices) => format!("{kind}: {}", choices.join(", ")),
        Check::Version => "version".to_owned(),
        Check::ThrottledReplicas => format!("{kind} of partition:broker"),
        Check::NotEmpty => format!("{kind}, not empty"),
    }
}

fn change(key: &KeyDef) -> &'static str {
    match key.update {
        _ if crate::dynamic::waits_for_restart(key.name) => "restart",
        Update::ReadOnly => "restart",
        Update::PerBroker => "broker",
        Update::ClusterWide => "cluster",
        Update::Topic => "",
    }
}

/// Text that may stand in a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("__", "\\_\\_")
}
