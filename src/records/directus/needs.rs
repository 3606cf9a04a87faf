//! What the processors need of an installation: fields, and permissions of their token. Knows no installation.

/// Without these the template processor cannot work: collection, fields.
pub(super) const MODEL_FIELDS: [(&str, &[&str]); 2] = [
    (
        "modelo_contrato",
        &[
            "id",
            "status",
            "arquivo_original",
            "arquivo_com_tags",
            "tags",
        ],
    ),
    (
        "modelo_contrato_tag",
        &["id", "modelo_contrato", "tag_nome", "conteudo"],
    ),
];
/// Without these the comparing processor cannot work: collection, fields.
pub(super) const VERSION_FIELDS: [(&str, &[&str]); 4] = [
    (
        "versao",
        &[
            "id",
            "status",
            "contrato",
            "arquivo",
            "relatorio_diff",
            "modificacoes",
        ],
    ),
    ("contrato", &["id", "modelo_contrato"]),
    ("modelo_contrato", &["id", "status", "arquivo_original"]),
    (
        "modificacao",
        &["id", "versao", "categoria", "conteudo", "alteracao"],
    ),
];
/// What tells a row from others of its record. Rows without it would look like none of what was found.
pub(super) const TAG_IDENTITY: (&str, &[&str]) = ("modelo_contrato_tag", &["tag_nome", "conteudo"]);
/// The same for modifications.
pub(super) const MODIFICATION_IDENTITY: (&str, &[&str]) =
    ("modificacao", &["categoria", "conteudo", "alteracao"]);
/// What is left out where an installation lacks it, and what is lost with it.
pub(super) const OPTIONAL_FIELDS: [(&str, &str, &str); 9] = [
    (
        "versao",
        "observacao",
        "motivos e tentativas ficam em dados/registros.db",
    ),
    (
        "versao",
        "date_updated",
        "o prazo de uma reserva conta de date_created",
    ),
    (
        "modelo_contrato",
        "date_updated",
        "o prazo de uma reserva conta de date_created",
    ),
    ("modelo_contrato_tag", "contexto", "não é gravado"),
    ("modelo_contrato_tag", "posicao_inicio", "não é gravado"),
    ("modelo_contrato_tag", "posicao_fim", "não é gravado"),
    ("modelo_contrato_tag", "linha_aproximada", "não é gravado"),
    (
        "modificacao",
        "clausula",
        "as modificações não são ligadas a cláusulas",
    ),
    ("clausula", "tag", "as cláusulas não são ligadas a tags"),
];
/// What the processors do: collection, action, fields that must be permitted if the installation has them.
pub(super) const PERMISSIONS: [(&str, &str, &[&str]); 18] = [
    (
        "modelo_contrato",
        "read",
        &["id", "status", "arquivo_original", "arquivo_com_tags"],
    ),
    ("modelo_contrato", "update", &["status", "tags"]),
    (
        "modelo_contrato_tag",
        "read",
        &["id", "modelo_contrato", "tag_nome", "conteudo"],
    ),
    (
        "modelo_contrato_tag",
        "create",
        &["modelo_contrato", "tag_nome", "conteudo"],
    ),
    (
        "modelo_contrato_tag",
        "update",
        &["modelo_contrato", "tag_nome", "conteudo"],
    ),
    ("modelo_contrato_tag", "delete", &[]),
    ("contrato", "read", &["id", "modelo_contrato"]),
    (
        "clausula",
        "read",
        &["id", "numero", "nome", "conteudo", "tag"],
    ),
    ("clausula", "update", &["tag", "modelo_contrato"]),
    (
        "versao",
        "read",
        &["id", "status", "contrato", "arquivo", "relatorio_diff"],
    ),
    (
        "versao",
        "update",
        &["status", "relatorio_diff", "modificacoes", "observacao"],
    ),
    (
        "modificacao",
        "read",
        &["id", "versao", "categoria", "conteudo", "alteracao"],
    ),
    (
        "modificacao",
        "create",
        &[
            "versao",
            "status",
            "categoria",
            "conteudo",
            "alteracao",
            "clausula",
        ],
    ),
    (
        "modificacao",
        "update",
        &[
            "versao",
            "sort",
            "clausula",
            "caminho_inicio",
            "caminho_fim",
        ],
    ),
    ("modificacao", "delete", &[]),
    ("directus_files", "read", &[]),
    ("directus_files", "create", &[]),
    ("directus_files", "delete", &[]),
];
