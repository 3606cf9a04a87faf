//! The mistakes that templates have, with the words in which people are told of them.

use super::super::model::Story;
use super::mark::Mark;
use super::{CONTEXT, collapse};

/// The kinds of problem: a closed set, which is also the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProblemKind {
    /// Opened, and neither closed nor repeated.
    Unclosed,
    /// Closed, and never opened.
    Unopened,
    /// Closed beyond the end of a pair in which it was opened.
    Crossed,
    /// A second pair of the same name.
    Duplicate,
    /// A pair within a pair of the same name.
    SelfNested,
    /// Double braces without their counterpart.
    BrokenDelimiter,
    /// Three or more braces: text, not a mark.
    ThirdBrace,
    /// Double braces around something that is no name.
    InvalidName,
    /// The closing mark stands in text that a tracked change deletes.
    ClosingDeleted,
    /// The pair begins inside a table and ends outside it, or the other way round.
    CrossesTable,
    /// Opening and closing differ in case.
    CaseDiffers,
    /// A zero-width character inside the mark.
    HiddenCharacter,
    /// The pairs are nested so deeply that their contents together pass the limit.
    ContentTooLarge,
    /// The document has as many marks as are read; those from here on are text.
    TooMany,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// A tag is lost or empty because of it.
    Error,
    /// The tag was read; somebody should look.
    Warning,
}

/// One problem, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// The name as written, or the piece of text that is no mark.
    pub name: String,
    /// What is wrong, in Portuguese.
    pub message: String,
    /// What to do about it, in Portuguese.
    pub remedy: &'static str,
    /// The name of the part.
    pub part: String,
    /// The number of the paragraph in its story, from 1.
    pub paragraph: usize,
    /// The path of the place.
    pub path: String,
    /// The text around the place.
    pub nearby: String,
}

impl ProblemKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: [Self; 14] = [
        Self::Unclosed,
        Self::Unopened,
        Self::Crossed,
        Self::Duplicate,
        Self::SelfNested,
        Self::BrokenDelimiter,
        Self::ThirdBrace,
        Self::InvalidName,
        Self::ClosingDeleted,
        Self::CrossesTable,
        Self::CaseDiffers,
        Self::HiddenCharacter,
        Self::ContentTooLarge,
        Self::TooMany,
    ];

    /// The word of the closed set, as in `docx_tag_problems_total{kind}`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unclosed => "unclosed",
            Self::Unopened => "unopened",
            Self::Crossed => "crossed",
            Self::Duplicate => "duplicate",
            Self::SelfNested => "self_nested",
            Self::BrokenDelimiter | Self::ThirdBrace => "malformed_delimiter",
            Self::InvalidName => "invalid_name",
            Self::ClosingDeleted => "closing_deleted",
            Self::CrossesTable => "table_boundary",
            Self::CaseDiffers => "case_differs",
            Self::HiddenCharacter => "invisible_character",
            Self::ContentTooLarge => "content_too_large",
            Self::TooMany => "too_many",
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Unclosed
            | Self::Unopened
            | Self::Crossed
            | Self::SelfNested
            | Self::BrokenDelimiter
            | Self::InvalidName
            | Self::ClosingDeleted
            | Self::ContentTooLarge
            | Self::TooMany => Severity::Error,
            Self::Duplicate
            | Self::ThirdBrace
            | Self::CrossesTable
            | Self::CaseDiffers
            | Self::HiddenCharacter => Severity::Warning,
        }
    }

    fn message(self, name: &str) -> String {
        match self {
            Self::Unclosed => format!("a tag {name} foi aberta e não fechada"),
            Self::Unopened => format!("o fechamento de {name} não tem abertura antes dele"),
            Self::Crossed => format!("a tag {name} cruza o limite de outra tag"),
            Self::Duplicate => format!("a tag {name} aparece mais de uma vez"),
            Self::SelfNested => format!("a tag {name} está dentro de outra com o mesmo nome"),
            Self::BrokenDelimiter => format!("delimitador sem par: {}", collapse(name)),
            Self::ThirdBrace => format!("chaves a mais, lidas como texto: {}", collapse(name)),
            Self::InvalidName => format!("nome de tag inválido: {}", collapse(name)),
            Self::ClosingDeleted => {
                format!("o fechamento de {name} está em texto excluído por revisão")
            }
            Self::CrossesTable => format!("a tag {name} atravessa o limite de uma tabela"),
            Self::CaseDiffers => format!("{name} difere da abertura em maiúsculas e minúsculas"),
            Self::HiddenCharacter => {
                format!("há um caractere invisível dentro de {}", visible(name))
            }
            Self::ContentTooLarge => format!("o conteúdo de {name} passa do limite e não foi lido"),
            Self::TooMany => {
                "há marcas demais; as que vêm depois foram lidas como texto".to_owned()
            }
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Unclosed => {
                "feche-a com {{/nome}} depois do texto, ou escreva {{nome /}} se ela fica sozinha"
            }
            Self::Unopened => "abra-a com {{nome}} antes do texto, ou apague este fechamento",
            Self::Crossed => "feche primeiro a tag que foi aberta por último",
            Self::Duplicate => {
                "dê um nome diferente a cada trecho, ou confirme que a repetição é desejada"
            }
            Self::SelfNested => {
                "feche a primeira antes de abrir a segunda, ou renomeie a de dentro"
            }
            Self::BrokenDelimiter => {
                "complete com duas chaves de cada lado, no mesmo parágrafo: {{nome}}"
            }
            Self::ThirdBrace => "use exatamente duas chaves de cada lado: {{nome}}",
            Self::InvalidName => {
                "use letras, números, ponto, hífen ou sublinhado, sem espaços: {{nome-da-tag}}"
            }
            Self::ClosingDeleted => {
                "rejeite a exclusão do fechamento, ou aceite-a e feche a tag em outro lugar"
            }
            Self::CrossesTable => "abra e feche a tag dentro da mesma tabela, ou toda fora dela",
            Self::CaseDiffers => "escreva o nome do mesmo modo nos dois lados",
            Self::HiddenCharacter => "apague a tag e digite-a de novo",
            Self::ContentTooLarge => "reduza o número de tags aninhadas",
            Self::TooMany => "divida o modelo em documentos menores",
        }
    }
}

impl Severity {
    /// The word, as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "erro",
            Self::Warning => "aviso",
        }
    }
}

/// The problems of one story, put in order at the end.
#[derive(Clone, Default)]
pub(super) struct Problems(Vec<((usize, usize), Problem)>);

impl Problems {
    pub(super) fn add(
        &mut self,
        story: &Story,
        kind: ProblemKind,
        place: (usize, usize),
        name: &str,
    ) {
        let (paragraph, offset) = place;
        let problem = Problem {
            kind,
            name: name.to_owned(),
            message: kind.message(name),
            remedy: kind.remedy(),
            part: story.part.clone(),
            paragraph: paragraph + 1,
            path: story.path(paragraph, offset),
            nearby: nearby(story, paragraph, offset),
        };
        self.0.push((place, problem));
    }

    /// A problem of a mark, at its beginning.
    pub(super) fn add_mark(&mut self, story: &Story, kind: ProblemKind, mark: &Mark) {
        self.add(story, kind, (mark.paragraph, mark.start), &mark.written);
    }

    pub(super) fn into_ordered(mut self) -> impl Iterator<Item = Problem> {
        self.0.sort_by_key(|(place, _)| *place);
        self.0.into_iter().map(|(_, problem)| problem)
    }
}

/// The text around a place, white space collapsed.
pub(super) fn nearby(story: &Story, paragraph: usize, offset: usize) -> String {
    let text = story
        .paragraphs
        .get(paragraph)
        .map(|found| found.text.as_str())
        .unwrap_or_default();
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let skipped = before
        .chars()
        .rev()
        .take(CONTEXT)
        .map(char::len_utf8)
        .sum::<usize>();
    let taken = after.char_indices().nth(CONTEXT);
    let end = before.len() + taken.map_or(after.len(), |(end, _)| end);
    collapse(text.get(before.len() - skipped..end).unwrap_or_default())
}

/// A name with its invisible characters made visible.
fn visible(name: &str) -> String {
    let shown = |character| {
        if super::super::model::is_hidden(character) {
            '·'
        } else {
            character
        }
    };
    name.chars().map(shown).collect()
}
