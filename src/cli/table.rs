//! Tables for eyes: columns in line, cells on one line. Knows nothing of what stands in them.

use std::io::{self, Write};

/// How much of a text stands in a cell, in characters.
const CELL: usize = 48;

/// Writes lines of cells, the first of which is the heading, each column as wide as its widest cell.
pub(super) fn write_table(lines: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{text:<width$}"))
            .collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// A text as it fits a cell: one line, no control characters, shortened.
pub(super) fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    if line.chars().count() <= CELL {
        return line;
    }
    let kept: String = line.chars().take(CELL - 1).collect();
    format!("{kept}…")
}
