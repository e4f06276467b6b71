//! Small helpers of printing.

use std::fmt::Display;

/// The items, separated by commas.
pub(crate) fn comma_list<T: Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(",")
}

/// Rows with their columns aligned to the left, two blanks apart.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells.map(|(c, w)| format!("{c:<w$}  ")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        let rows = [
            row(&["ID", "NAME", ""]),
            row(&["1", "x", "!"]),
            row(&["100", "long one"]),
        ];
        assert_eq!(
            render(&rows),
            "ID   NAME\n1    x         !\n100  long one\n"
        );
    }
}
