//! Small helpers of printing.

use std::fmt::Display;

/// The items, separated by commas.
pub(crate) fn comma_list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(",")
}
