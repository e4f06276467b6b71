//! Topics by regular expression (Kafka's `IncludeList`).

use anyhow::{Context, Result};
use ottla_metadata::is_internal;
use regex::Regex;

/// A list of regular expressions, separated by commas; a topic must match one of them as a whole.
#[derive(Debug)]
pub(crate) struct TopicFilter {
    pattern: Regex,
}

impl TopicFilter {
    pub(crate) fn new(text: &str) -> Result<TopicFilter> {
        let alternatives = text.trim().replace(',', "|").replace(' ', "");
        let bare = alternatives
            .trim_start_matches(['"', '\''])
            .trim_end_matches(['"', '\'']);
        let pattern = Regex::new(&format!("^(?:{bare})$"))
            .with_context(|| format!("{bare} is an invalid regex."))?;
        Ok(TopicFilter { pattern })
    }

    pub(crate) fn allows(&self, topic: &str, exclude_internal: bool) -> bool {
        self.pattern.is_match(topic) && !(exclude_internal && is_internal(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (filter, topic, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a.*", "ab", true),
            ("a,b", "b", true),
            ("\"a, b\"", "b", true),
            ("a|b", "ba", false),
            ("__.*", "__consumer_offsets", true),
        ] {
            let allowed = TopicFilter::new(filter).unwrap().allows(topic, false);
            assert_eq!(allowed, expected, "{filter} {topic}");
        }
        let all = TopicFilter::new(".*").unwrap();
        assert!(!all.allows("__consumer_offsets", true));
        assert!(TopicFilter::new("*").is_err());
    }
}
