//! Topics by regular expression (Kafka's `TopicFilter`).

use ottla_metadata::is_internal;
use ottla_zk::znode::Subscription;
use regex::Regex;

/// A pattern is no regular expression that we understand. (Java's know look-around and
/// back-references, ours do not.)
#[derive(Clone, Debug, thiserror::Error)]
#[error("{pattern} is an invalid regex.")]
pub struct BadFilter {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    pub source: regex::Error,
}

/// Which topics a pattern lets through. Internal topics never pass (`exclude.internal.topics`).
#[derive(Clone, Debug)]
pub struct TopicFilter {
    regex: Regex,
    wanted: bool,
}

impl TopicFilter {
    /// The pattern behind a list as people write it: commas separate alternatives, quotes around it
    /// and blanks do not count.
    pub fn pattern_of(list: &str) -> String {
        let quotes = ['"', '\''];
        let alternatives = list.trim().replace(',', "|").replace(' ', "");
        alternatives
            .trim_start_matches(quotes)
            .trim_end_matches(quotes)
            .to_owned()
    }

    /// Those that the pattern matches as a whole.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn white(pattern: &str) -> Result<TopicFilter, BadFilter> {
        TopicFilter::new(pattern, true)
    }

    /// Those that it does not match.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn black(pattern: &str) -> Result<TopicFilter, BadFilter> {
        TopicFilter::new(pattern, false)
    }

    /// The filter of a subscription; none if it names its topics.
    pub(crate) fn of(subscription: &Subscription) -> Result<Option<TopicFilter>, BadFilter> {
        match subscription {
            Subscription::Static(_) => Ok(None),
            Subscription::WhiteList { pattern, .. } => TopicFilter::white(pattern).map(Some),
            Subscription::BlackList { pattern, .. } => TopicFilter::black(pattern).map(Some),
        }
    }

    fn new(pattern: &str, wanted: bool) -> Result<TopicFilter, BadFilter> {
        match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(regex) => Ok(TopicFilter { regex, wanted }),
            Err(source) => Err(BadFilter {
                pattern: pattern.to_owned(),
                source,
            }),
        }
    }

    /// Whether this topic passes.
    pub fn allows(&self, topic: &str) -> bool {
        self.regex.is_match(topic) == self.wanted && !is_internal(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let check = |list: &str, topic: &str, white: bool, black: bool| {
            let pattern = TopicFilter::pattern_of(list);
            let allowed = [
                TopicFilter::white(&pattern).unwrap().allows(topic),
                TopicFilter::black(&pattern).unwrap().allows(topic),
            ];
            assert_eq!(allowed, [white, black], "{list} {topic}");
        };
        check("a", "a", true, false);
        check("a", "ab", false, true);
        check("a.*", "ab", true, false);
        check("\"a, b\"", "b", true, false);
        check("a|ab", "ab", true, false);
        check(".*", "__consumer_offsets", false, false);
        check("x", "__consumer_offsets", false, false);
        assert!(TopicFilter::white("*").is_err());
    }
}
