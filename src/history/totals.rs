//! What all single runs on this data counted together. Retention does not touch it. Refuses to know what the numbers
//! mean.

use std::path::Path;

use rusqlite::{TransactionBehavior, params};

use super::error::HistoryError;
use super::{DATABASE, schema};
use crate::domain::Totals;

/// Adds `counted` to what stands in the history of `folder`, all or nothing, and answers the sums of everything.
///
/// # Errors
///
/// The database cannot be written, or holds what this program did not write.
pub fn add_totals(folder: &Path, counted: &Totals) -> Result<Totals, HistoryError> {
    let mut connection = schema::open_for_writing(&folder.join(DATABASE))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut totals = Totals::default();
    {
        let mut statement = transaction.prepare("SELECT series, numbers FROM single_run_totals")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (series, numbers): (String, String) = (row.get(0)?, row.get(1)?);
            let parsed = serde_json::from_str(&series)
                .ok()
                .zip(serde_json::from_str(&numbers).ok());
            let Some((series, numbers)) = parsed else {
                return Err(HistoryError::Unreadable(format!(
                    "single_run_totals: {series}"
                )));
            };
            totals.0.insert(series, numbers);
        }
        totals.add(counted);
        let mut statement = transaction.prepare(
            "INSERT OR REPLACE INTO single_run_totals (series, numbers) VALUES (?1, ?2)",
        )?;
        let text = |error: serde_json::Error| HistoryError::Unreadable(error.to_string());
        for series in counted.0.keys() {
            let Some(numbers) = totals.0.get(series) else {
                continue;
            };
            let numbers = serde_json::to_string(numbers).map_err(text)?;
            let series = serde_json::to_string(series).map_err(text)?;
            statement.execute(params![series, numbers])?;
        }
    }
    transaction.commit()?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Series;

    fn one(name: &str, numbers: &[f64]) -> Totals {
        let series = Series {
            family: name.to_owned(),
            labels: vec![("processor".to_owned(), "a\"b".to_owned())],
            bounds: vec!["0.5".to_owned()],
        };
        Totals([(series, numbers.to_vec())].into())
    }

    #[test]
    fn totals_grow_with_each_call_and_what_a_call_does_not_name_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        add_totals(folder.path(), &one("a_total", &[2.0])).expect("added");
        add_totals(folder.path(), &one("b_seconds", &[1.5, 3.0, 2.0])).expect("added");
        let sums = add_totals(folder.path(), &one("a_total", &[5.0])).expect("added");
        let mut expected = one("a_total", &[7.0]);
        expected.0.extend(one("b_seconds", &[1.5, 3.0, 2.0]).0);
        assert_eq!(sums, expected);
    }
}
