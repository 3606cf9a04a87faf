//! Tables, rows and cells of a story while they are open; removed rows and cells leave nothing behind.

use super::super::model::{Cell, Table};
use super::flow::Flow;

/// A table that is open.
pub(super) struct OpenTable {
    index: usize,
    row: usize,
    column: usize,
    row_start: usize,
    cell_start: usize,
    row_deleted: bool,
    cell_deleted: bool,
}

impl Flow {
    pub(super) fn open_table(&mut self) {
        self.close_paragraph();
        self.drop_carry();
        if self.tables.is_empty() {
            self.blocks += 1;
        }
        let index = self.story.tables.len();
        let block = self.blocks.saturating_sub(1);
        self.story.tables.push(Table {
            parent: self.cells.last().copied(),
            block,
            rows: 0,
        });
        let start = self.story.paragraphs.len();
        self.tables.push(OpenTable {
            index,
            row: 0,
            column: 0,
            row_start: start,
            cell_start: start,
            row_deleted: false,
            cell_deleted: false,
        });
    }

    pub(super) fn close_table(&mut self) {
        if let Some(table) = self.tables.pop()
            && let Some(kept) = self.story.tables.get_mut(table.index)
        {
            kept.rows = table.row;
        }
    }

    pub(super) fn open_row(&mut self) {
        let start = self.story.paragraphs.len();
        if let Some(table) = self.tables.last_mut() {
            table.row_start = start;
            table.column = 0;
            table.row_deleted = false;
        }
    }

    pub(super) fn delete_row(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.row_deleted = true;
        }
    }

    pub(super) fn close_row(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            if table.row_deleted {
                self.story.paragraphs.truncate(table.row_start);
            } else {
                table.row += 1;
            }
        }
    }

    pub(super) fn open_cell(&mut self) {
        let start = self.story.paragraphs.len();
        if let Some(table) = self.tables.last_mut() {
            table.cell_start = start;
            table.cell_deleted = false;
            self.cells.push(Cell {
                table: table.index,
                row: table.row,
                column: table.column,
            });
        }
    }

    pub(super) fn delete_cell(&mut self) {
        if let Some(table) = self.tables.last_mut() {
            table.cell_deleted = true;
        }
    }

    pub(super) fn close_cell(&mut self) {
        self.close_paragraph();
        self.drop_carry();
        if let Some(table) = self.tables.last_mut() {
            self.cells.pop();
            if table.cell_deleted {
                self.story.paragraphs.truncate(table.cell_start);
            } else {
                table.column += 1;
            }
        }
    }
}
