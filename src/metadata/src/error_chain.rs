//! Errors as log lines show them.

use std::error::Error;
use std::fmt;

/// An error with its causes, on one line.
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] fmt::Error);

    #[test]
    fn causes_follow_the_error() {
        let inner = fmt::Error.to_string();
        let shown = ErrorChain(&Outer(fmt::Error)).to_string();
        assert_eq!(shown, format!("cannot start: {inner}"));
    }
}
