//! Reads a TOML table key by key and notes what is wrong with each, and what nobody asked for.

use toml::{Table, Value};

use super::problem::Problems;
use super::value::Parsed;

/// Keys that the configuration will know, and that this version cannot honour: refused rather than ignored.
const PLANNED: &str = "é conhecida, mas ainda não está disponível nesta versão; retire-a";

/// A table that is being read; `path` stands in front of its keys in messages.
pub(super) struct Section<'a> {
    table: Table,
    path: String,
    asked: Vec<&'static str>,
    problems: &'a mut Problems,
}

impl<'a> Section<'a> {
    pub(super) fn new(table: Table, path: impl Into<String>, problems: &'a mut Problems) -> Self {
        Self {
            table,
            path: path.into(),
            asked: Vec::new(),
            problems,
        }
    }

    /// The key with the path of its section.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let key = self.key(key);
        self.problems.add(key, message);
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a table stands there.
    pub(super) fn has_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Value::is_table)
    }

    /// The problems of the whole file.
    pub(super) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        self.table.remove(key)
    }

    /// A text or a number, read by `parse` as it would be from a flag.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let text = match self.take(key)? {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            other => {
                self.problem(
                    key,
                    format!("é {}; esperado um texto ou um número", kind(&other)),
                );
                return None;
            }
        };
        let checked = parse(&text);
        let key = self.key(key);
        self.problems.check(&key, checked)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if !text.contains('\0') => Some(text),
            Value::String(_) => {
                self.problem(key, "contém um byte nulo; esperado um texto sem ele");
                None
            }
            other => {
                self.problem(key, format!("é {}; esperado um texto", kind(&other)));
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(value) => Some(value),
            other => {
                self.problem(key, format!("é {}; esperado true ou false", kind(&other)));
                None
            }
        }
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(&mut self, key: &'static str, most: i64) -> Option<usize> {
        match self.take(key)? {
            Value::Integer(number) if (1..=most).contains(&number) => usize::try_from(number).ok(),
            Value::Integer(number) => {
                self.problem(
                    key,
                    format!("{number} está fora do limite; esperado de 1 a {most}"),
                );
                None
            }
            other => {
                self.problem(
                    key,
                    format!("é {}; esperado um número inteiro", kind(&other)),
                );
                None
            }
        }
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let Value::Array(items) = self.take(key)? else {
            self.problem(key, "não é uma lista; esperada uma lista de textos");
            return None;
        };
        let texts: Option<Vec<_>> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        let texts = texts.filter(|texts| texts.iter().all(|text| !text.contains('\0')));
        if texts.is_none() {
            self.problem(
                key,
                "contém algo que não é texto; esperada uma lista de textos",
            );
        }
        texts
    }

    /// A list of exit codes that are failures.
    pub(super) fn exit_codes(&mut self, key: &'static str) -> Option<Vec<i32>> {
        let items = self.take(key)?;
        let code = |item: &Value| {
            let code = i32::try_from(item.as_integer()?).ok()?;
            (1..=255).contains(&code).then_some(code)
        };
        let codes: Option<Vec<_>> = items
            .as_array()
            .and_then(|items| items.iter().map(code).collect());
        if codes.is_none() {
            self.problem(
                key,
                "não é uma lista de códigos de saída; esperados números de 1 a 255",
            );
        }
        codes
    }

    pub(super) fn numbers(&mut self, key: &'static str) -> Option<Vec<f64>> {
        let Value::Array(items) = self.take(key)? else {
            self.problem(key, "não é uma lista; esperada uma lista de números");
            return None;
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds are small numbers of seconds"
        )]
        let number = |item: &Value| {
            item.as_float()
                .or_else(|| item.as_integer().map(|whole| whole as f64))
        };
        let numbers: Option<Vec<_>> = items.iter().map(number).collect();
        if numbers.is_none() {
            self.problem(
                key,
                "contém algo que não é número; esperada uma lista de números",
            );
        }
        numbers
    }

    /// Names of hosts, in lower case.
    pub(super) fn host_names(&mut self, key: &'static str) -> Option<Vec<String>> {
        let mut names = self.texts(key)?;
        let is_label = |letter: u8| letter.is_ascii_alphanumeric() || b"-._".contains(&letter);
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(is_label);
        if !names.iter().all(is_name) {
            self.problem(
                key,
                "contém algo que não é nome de máquina; esperado por exemplo [\"orquestrador.exemplo.com.br\"]",
            );
            return None;
        }
        for name in &mut names {
            name.make_ascii_lowercase();
        }
        Some(names)
    }

    pub(super) fn table(&mut self, key: &'static str) -> Option<Table> {
        match self.take(key)? {
            Value::Table(table) => Some(table),
            other => {
                self.problem(key, format!("é {}; esperada uma tabela", kind(&other)));
                None
            }
        }
    }

    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Table>> {
        let tables: Option<Vec<_>> = match self.take(key)? {
            Value::Array(items) => items
                .into_iter()
                .map(|item| item.try_into::<Table>().ok())
                .collect(),
            _ => None,
        };
        if tables.is_none() {
            self.problem(
                key,
                format!("não é uma lista de tabelas; esperado [[{key}]]"),
            );
        }
        tables
    }

    /// A section of its own below this one, if it is there.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'_>> {
        let table = self.table(key)?;
        let path = self.key(key);
        Some(Section::new(table, path, self.problems))
    }

    /// Notes every key that was not asked for. `planned` are those that a later version will know.
    pub(super) fn finish(mut self, planned: &[&'static str]) {
        for key in std::mem::take(&mut self.table).keys() {
            if planned.contains(&key.as_str()) {
                self.problem(key, PLANNED);
                continue;
            }
            let nearest = nearest(key, self.asked.iter().copied());
            let hint = nearest.map_or_else(String::new, |nearest| format!("; talvez {nearest}?"));
            self.problem(key, format!("chave desconhecida{hint}"));
        }
    }
}

/// The known name that is most like `name`, if any is like it at all.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let (distance, candidate) = near.min()?;
    (distance <= name.chars().count().div_ceil(2)).then_some(candidate)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "um texto",
        Value::Integer(_) => "um número inteiro",
        Value::Float(_) => "um número com vírgula",
        Value::Boolean(_) => "um booleano",
        Value::Datetime(_) => "uma data",
        Value::Array(_) => "uma lista",
        Value::Table(_) => "uma tabela",
    }
}
