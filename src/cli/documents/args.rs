//! The arguments of the documents' commands, as clap reads them. Knows names and help texts, and does nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::records::{Listed, RecordId};

/// The documents' commands.
#[derive(Debug, Clone, Subcommand)]
pub enum DocumentCommand {
    /// Inclui um modelo, um contrato ou uma versão no armazenamento
    #[command(name = "importar")]
    Import(ImportArgs),
    /// Define o status de um modelo, de uma versão ou de uma modificação
    #[command(name = "marcar")]
    Mark(MarkArgs),
    /// Lista os registros de uma coleção
    #[command(name = "listar")]
    List(ListArgs),
    /// Mostra onde está o relatório de uma versão, ou o copia
    #[command(name = "relatorio")]
    Report(ReportArgs),
    /// Mostra as tags de um arquivo .docx, sem usar o armazenamento
    #[command(name = "tags")]
    Tags(TagsArgs),
    /// Compara dois arquivos .docx, sem usar o armazenamento
    #[command(name = "comparar")]
    Compare(CompareArgs),
}

/// What is imported, and where to.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = true)]
pub struct ImportArgs {
    /// Armazenamento que recebe; sem mais nada, recebe uma cópia de tudo o que há no embutido
    #[arg(long = "para", value_name = "ARMAZENAMENTO")]
    pub to: Option<StoreName>,
    /// What is imported.
    #[command(subcommand)]
    pub command: Option<ImportCommand>,
}

/// The kinds of store, by the words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreName {
    /// The store on this machine.
    #[value(name = "embutido", help = "o armazenamento em dados/")]
    Embedded,
    /// The Directus of `DIRECTUS_BASE_URL`.
    #[value(name = "directus", help = "o Directus de DIRECTUS_BASE_URL")]
    Directus,
}

/// What is imported.
#[derive(Debug, Clone, Subcommand)]
pub enum ImportCommand {
    /// Um modelo de contrato: o documento original e a sua cópia com tags
    #[command(name = "modelo")]
    Model {
        /// Documento original, sem tags
        #[arg(long = "original", value_name = "ARQUIVO")]
        original: PathBuf,
        /// Cópia do documento com as tags
        #[arg(long = "com-tags", value_name = "ARQUIVO")]
        tagged: PathBuf,
        /// Nome do modelo [padrão: o nome do arquivo original]
        #[arg(long = "nome", value_name = "NOME")]
        name: Option<String>,
    },
    /// Um contrato de um modelo
    #[command(name = "contrato")]
    Contract {
        /// Id do modelo
        #[arg(long = "modelo", value_name = "ID")]
        model: RecordId,
        /// Número do contrato
        #[arg(long = "numero", value_name = "NÚMERO")]
        number: String,
        /// Título do contrato
        #[arg(
            long = "titulo",
            value_name = "TÍTULO",
            default_value = "",
            hide_default_value = true
        )]
        title: String,
    },
    /// Uma versão de um contrato
    #[command(name = "versao")]
    Version {
        /// Id do contrato
        #[arg(long = "contrato", value_name = "ID")]
        contract: RecordId,
        /// Nome da versão [padrão: o próximo número]
        #[arg(long = "nome", value_name = "NOME")]
        name: Option<String>,
        /// Documento da versão
        #[arg(value_name = "ARQUIVO")]
        file: PathBuf,
    },
}

/// What is marked, and how.
#[derive(Debug, Clone, Args)]
pub struct MarkArgs {
    /// Coleção do registro
    #[arg(value_name = "COLEÇÃO")]
    pub collection: MarkedCollection,
    /// Id do registro
    #[arg(value_name = "ID")]
    pub id: RecordId,
    /// Novo status: processar, publicado, concluido, erro ou rascunho; de uma modificação, a decisão: draft, aceitar,
    /// ressalva, ajustar, validacao ou recusar
    #[arg(value_name = "STATUS")]
    pub status: String,
    /// Observação da versão ou nota do analista na modificação
    #[arg(long = "nota", value_name = "TEXTO")]
    pub note: Option<String>,
}

/// The collections whose status a person sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MarkedCollection {
    /// `modelo_contrato`
    #[value(name = "modelo", help = "modelos de contrato")]
    Model,
    /// `versao`
    #[value(name = "versao", help = "versões de contratos")]
    Version,
    /// `modificacao`
    #[value(name = "modificacao", help = "modificações encontradas nas versões")]
    Modification,
}

impl MarkedCollection {
    /// The collection of the store.
    #[must_use]
    pub fn listed(self) -> Listed {
        match self {
            Self::Model => Listed::Models,
            Self::Version => Listed::Versions,
            Self::Modification => Listed::Modifications,
        }
    }
}

/// What is listed, and how much of it.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Coleção a listar
    #[arg(value_name = "COLEÇÃO")]
    pub collection: ListedCollection,
    /// Só os registros deste pai: contratos e tags de um modelo, versões de um contrato, modificações de uma versão
    #[arg(long = "de", value_name = "ID")]
    pub parent: Option<RecordId>,
    /// Saída em JSON: uma lista
    #[arg(long = "json")]
    pub json: bool,
    /// Número máximo de registros
    #[arg(
        long = "limite",
        value_name = "N",
        default_value_t = 100,
        help = "Número máximo de registros [padrão: 100]",
        hide_default_value = true
    )]
    pub limit: usize,
}

/// The collections that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListedCollection {
    /// `modelo_contrato`
    #[value(name = "modelos", help = "modelos de contrato")]
    Models,
    /// `contrato`
    #[value(name = "contratos", help = "contratos")]
    Contracts,
    /// `versao`
    #[value(name = "versoes", help = "versões de contratos")]
    Versions,
    /// `modelo_contrato_tag`
    #[value(name = "tags", help = "tags dos modelos")]
    Tags,
    /// `modificacao`
    #[value(name = "modificacoes", help = "modificações encontradas nas versões")]
    Modifications,
}

impl ListedCollection {
    /// The collection of the store.
    #[must_use]
    pub fn listed(self) -> Listed {
        match self {
            Self::Models => Listed::Models,
            Self::Contracts => Listed::Contracts,
            Self::Versions => Listed::Versions,
            Self::Tags => Listed::Tags,
            Self::Modifications => Listed::Modifications,
        }
    }
}

/// Whose report is taken out, and where to.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Id da versão
    #[arg(value_name = "VERSÃO")]
    pub version: RecordId,
    /// Copia o relatório para este arquivo ("-" é a saída padrão)
    #[arg(short = 'o', long = "saida", value_name = "ARQUIVO")]
    pub output: Option<PathBuf>,
}

/// Whose tags are shown.
#[derive(Debug, Clone, Args)]
pub struct TagsArgs {
    /// Documento .docx
    #[arg(value_name = "ARQUIVO")]
    pub file: PathBuf,
    /// Saída em JSON
    #[arg(long = "json")]
    pub json: bool,
}

/// What is compared.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Documento antigo
    #[arg(value_name = "ANTIGO")]
    pub old: PathBuf,
    /// Documento novo
    #[arg(value_name = "NOVO")]
    pub new: PathBuf,
    /// Grava o relatório HTML neste arquivo ("-" é a saída padrão)
    #[arg(short = 'o', long = "saida", value_name = "ARQUIVO")]
    pub output: Option<PathBuf>,
    /// Saída em JSON
    #[arg(long = "json")]
    pub json: bool,
    /// Confere que as modificações aplicadas ao antigo dão o novo, e desfeitas no novo dão o antigo
    #[arg(long = "verificar")]
    pub verify: bool,
}
