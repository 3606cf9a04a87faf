//! Tries and reasons of a record that is processed. Knows where each collection keeps them, and no status.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::error::RecordsError;
use super::super::vocabulary::{Collection, read_tries, write_tries};

/// What marks, in an observation, the line that says why the last try failed.
const ERROR_LINE: &str = "Erro: ";

/// Tries and reasons of a record: in `observacao` where the collection has it, else in a table of our own.
pub(super) struct Notes {
    text: String,
    pub(super) tries: u32,
}

impl Notes {
    pub(super) fn read(
        connection: &Connection,
        collection: Collection,
        number: i64,
    ) -> Result<Self, RecordsError> {
        if collection == Collection::Version {
            let sql = "SELECT observacao FROM versao WHERE id = ?1";
            let observation: String = connection.query_row(sql, [number], |row| row.get(0))?;
            let (text, tries) = read_tries(&observation);
            return Ok(Self {
                text: text.to_owned(),
                tries,
            });
        }
        let sql = "SELECT motivo, tentativas FROM tentativa WHERE colecao = ?1 AND registro = ?2";
        let found = connection
            .query_row(
                sql,
                params![collection.as_str(), number.to_string()],
                |row| {
                    Ok(Self {
                        text: row.get(0)?,
                        tries: row.get(1)?,
                    })
                },
            )
            .optional()?;
        Ok(found.unwrap_or(Self {
            text: String::new(),
            tries: 0,
        }))
    }

    pub(super) fn without_error(mut self) -> Self {
        let lines: Vec<&str> = self
            .text
            .lines()
            .filter(|line| !line.starts_with(ERROR_LINE))
            .collect();
        self.text = lines.join("\n");
        self
    }

    pub(super) fn with_error(self, reason: &str) -> Self {
        let mut notes = self.without_error();
        let line = format!("{ERROR_LINE}{}", reason.replace('\n', " "));
        notes.text = if notes.text.is_empty() {
            line
        } else {
            format!("{}\n{line}", notes.text)
        };
        notes
    }

    pub(super) fn write(
        &self,
        connection: &Connection,
        collection: Collection,
        number: i64,
        tries: u32,
    ) -> Result<(), RecordsError> {
        if collection == Collection::Version {
            let observation = write_tries(&self.text, tries);
            connection.execute(
                "UPDATE versao SET observacao = ?1 WHERE id = ?2",
                params![observation, number],
            )?;
            return Ok(());
        }
        connection.execute(
            "INSERT INTO tentativa (colecao, registro, tentativas, motivo) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (colecao, registro) DO UPDATE SET tentativas = excluded.tentativas, motivo = excluded.motivo",
            params![collection.as_str(), number.to_string(), tries, self.text],
        )?;
        Ok(())
    }
}
