//! The documents' collections and their fields, by the names that the program uses. An installation may have others.

/// Collections and fields. The first field is the key.
pub const COLLECTIONS: [(&str, &[&str]); 6] = [
    (
        "modelo_contrato",
        &[
            "id",
            "status",
            "nome",
            "versao",
            "date_created",
            "date_updated",
            "arquivo_original",
            "arquivo_com_tags",
            "tags",
            "clausulas",
        ],
    ),
    (
        "modelo_contrato_tag",
        &[
            "id",
            "status",
            "sort",
            "modelo_contrato",
            "tag_nome",
            "caminho_tag_inicio",
            "caminho_tag_fim",
            "conteudo",
            "contexto",
            "posicao_inicio",
            "posicao_fim",
            "linha_aproximada",
        ],
    ),
    (
        "contrato",
        &["id", "numero", "titulo", "modelo_contrato", "versoes"],
    ),
    (
        "versao",
        &[
            "id",
            "status",
            "versao",
            "date_created",
            "date_updated",
            "contrato",
            "arquivo",
            "modifica_arquivo",
            "relatorio_diff",
            "observacao",
            "modificacoes",
        ],
    ),
    (
        "modificacao",
        &[
            "id",
            "status",
            "sort",
            "versao",
            "categoria",
            "clausula",
            "conteudo",
            "alteracao",
            "nota_analista",
            "caminho_inicio",
            "caminho_fim",
        ],
    ),
    (
        "clausula",
        &["id", "numero", "nome", "conteudo", "modelo_contrato", "tag"],
    ),
];

/// Fields that hold a record of another collection, or several: collection, field, the other collection.
pub const RELATIONS: [(&str, &str, &str); 16] = [
    ("modelo_contrato", "arquivo_original", "directus_files"),
    ("modelo_contrato", "arquivo_com_tags", "directus_files"),
    ("modelo_contrato", "tags", "modelo_contrato_tag"),
    ("modelo_contrato", "clausulas", "clausula"),
    ("modelo_contrato_tag", "modelo_contrato", "modelo_contrato"),
    ("contrato", "modelo_contrato", "modelo_contrato"),
    ("contrato", "versoes", "versao"),
    ("versao", "contrato", "contrato"),
    ("versao", "arquivo", "directus_files"),
    ("versao", "modifica_arquivo", "directus_files"),
    ("versao", "relatorio_diff", "directus_files"),
    ("versao", "modificacoes", "modificacao"),
    ("modificacao", "versao", "versao"),
    ("modificacao", "clausula", "clausula"),
    ("clausula", "modelo_contrato", "modelo_contrato"),
    ("clausula", "tag", "modelo_contrato_tag"),
];
