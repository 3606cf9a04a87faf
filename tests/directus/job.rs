//! The whole main job on a Directus, with a token that may do no more than the job: as an operator starts it and as an
//! analyst sees what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use orquestrador::records::{ClaimResult, Collection, NewReport, PendingVersion, RecordsError};
use serde_json::{Value, json};

use crate::proxy::{Fault, Proxy};
use crate::server::{ADMINISTRATOR, IMPORTER, PROCESSOR, Server, now, pause};
use crate::world::{Site, World, example, finish, importer};

fn path(name: &str) -> String {
    example(name).display().to_string()
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn documents_become_tags_modifications_and_a_report_and_the_analysts_decisions_stay() {
    let server = Server::start();
    let mut site = Site::new(server.url(), "");
    site.token = IMPORTER;
    let (original, tagged) = (
        path("modelo-locacao.docx"),
        path("modelo-locacao-com-tags.docx"),
    );
    let import = |arguments: &[&str]| {
        let finished = site.run(arguments);
        assert_eq!(finished.code, Some(0), "{finished:?}");
    };
    import(&[
        "importar",
        "modelo",
        "--original",
        &original,
        "--com-tags",
        &tagged,
        "--nome",
        "Locação",
    ]);
    import(&[
        "importar", "contrato", "--modelo", "1", "--numero", "7/2026",
    ]);
    for version in ["contrato-locacao-v1.docx", "contrato-locacao-v2.docx"] {
        import(&["importar", "versao", "--contrato", "1", &path(version)]);
    }
    for clause in ["aluguel", "sublocação", "foro"] {
        server.ask(
            "POST",
            "/items/clausula",
            Some(&json!({ "nome": clause, "modelo_contrato": 1 })),
        );
    }
    site.token = PROCESSOR;
    let first = site.single_run();
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(
        first
            .out
            .contains(&format!("Directus, em {}", server.url())),
        "{first:?}"
    );
    assert!(first.out.contains("1 modelo, 9 tags"), "{first:?}");
    assert!(
        first
            .out
            .contains("2 versões aguardam a publicação do modelo"),
        "{first:?}"
    );
    assert_eq!(
        server.items("modelo_contrato", "status")[0]["status"],
        "concluido"
    );
    server.change("modelo_contrato", "1", &json!({ "status": "publicado" }));
    let second = site.single_run();
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(
        second.out.contains(&format!("{}/assets/", server.url())),
        "{second:?}"
    );
    let clauses = server.items("clausula", "nome,tag.tag_nome");
    for clause in &clauses {
        assert_eq!(clause["tag"]["tag_nome"], clause["nome"], "{clause}");
    }
    let versions = server.items("versao", "id,status,observacao,relatorio_diff.filename_download,relatorio_diff.id,relatorio_diff.type");
    for version in &versions {
        assert_eq!(version["status"], "concluido", "{version}");
        let name = version["relatorio_diff"]["filename_download"]
            .as_str()
            .unwrap();
        assert!(
            name.starts_with(&format!("relatorio_diff_{}_", version["id"])),
            "{version}"
        );
        assert_eq!(version["relatorio_diff"]["type"], "text/html");
    }
    let rows = || {
        server.items(
            "modificacao",
            "id,versao,sort,status,categoria,conteudo,nota_analista,clausula.nome",
        )
    };
    let found = rows();
    let of_second: Vec<_> = found.iter().filter(|row| row["versao"] == 2).collect();
    let categories: Vec<_> = of_second
        .iter()
        .map(|row| row["categoria"].as_str().unwrap())
        .collect();
    for category in ["inclusao", "remocao", "modificacao"] {
        assert!(categories.contains(&category), "{categories:?}");
    }
    let rent = of_second
        .iter()
        .find(|row| row["conteudo"].as_str().unwrap().contains("3.150,00"))
        .unwrap();
    assert_eq!(rent["clausula"]["nome"], "aluguel");
    let report = site.run(&["relatorio", "2", "-o", "r.html"]);
    assert_eq!(report.code, Some(0), "{report:?}");
    let page = std::fs::read_to_string(site.folder.path().join("r.html")).unwrap();
    assert!(page.contains("3.150,00") && page.to_lowercase().starts_with("<!doctype html>"));
    // The analyst decides, and asks for the same once more.
    server.change(
        "modificacao",
        &rent["id"].to_string(),
        &json!({ "status": "recusar", "nota_analista": "acima do teto" }),
    );
    server.change("versao", "2", &json!({ "status": "processar" }));
    let before = rows();
    let third = site.single_run();
    assert_eq!(third.code, Some(0), "{third:?}");
    assert_eq!(rows(), before, "processing again changed rows");
    let files = server.items("directus_files", "id,type");
    let pages = files
        .iter()
        .filter(|file| file["type"] == "text/html")
        .count();
    assert_eq!(pages, 2, "the report that was replaced is still there");
    let idle = site.single_run();
    assert_eq!(idle.out.matches("nada pendente").count(), 2, "{idle:?}");
    for finished in [first, second, third, idle] {
        assert!(
            !format!("{finished:?}").contains(site.token),
            "the token was told"
        );
    }
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_dry_run_changes_nothing() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 2);
    let site = Site::new(server.url(), "");
    let all = || {
        [
            "modelo_contrato",
            "modelo_contrato_tag",
            "versao",
            "modificacao",
            "clausula",
            "directus_files",
        ]
        .map(|name| server.items(name, "*"))
    };
    let before = all();
    let finished = site.run(&["--single-run", "--dry-run"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.out.contains("simulação, nada gravado: 2 versões"),
        "{finished:?}"
    );
    assert_eq!(all(), before);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_directus_that_is_down_fails_the_run_and_is_noticed_when_it_comes_back() {
    let mut server = Server::start();
    let world = World::populate(&server, 1, 1);
    let site = Site::new(server.url(), "");
    server.kill();
    let single = site.run(&[
        "--single-run",
        "--modo",
        "sequencial",
        "--em-falha",
        "continuar",
        "--log-format",
        "json",
    ]);
    assert_eq!(single.code, Some(1), "{single:?}");
    for name in ["automatico", "modelo-contrato"] {
        let alone = site.run(&["processador", name]);
        assert_eq!(alone.code, Some(69), "{alone:?}");
        assert!(alone.err.contains("sem conexão"), "{alone:?}");
    }
    let service = site.start(&["--porta", "0", "--intervalo", "1s"]);
    let runs = || -> Vec<Value> {
        let finished = site.run(&["historico", "--json"]);
        finished
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let wait = |what: &str, outcome: &str, code: Option<i64>| {
        let begun = now();
        while !runs()
            .iter()
            .any(|run| run["resultado"] == outcome && run["codigo_saida"].as_i64() == code)
        {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{what}: {:?}",
                runs()
            );
            pause(Duration::from_millis(200));
        }
    };
    wait("a failure", "failure", Some(69));
    let failed = runs()
        .into_iter()
        .find(|run| run["resultado"] == "failure")
        .unwrap();
    assert_eq!(failed["motivo"], "exit_code", "{failed}");
    server.resume();
    wait("a success without a restart", "success", Some(0));
    let begun = now();
    while World::open(&server) > 0 {
        assert!(begun.elapsed() < Duration::from_mins(1));
        pause(Duration::from_millis(200));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(service.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = finish(service);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    world.assert_right(&server);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_stop_gives_the_claimed_record_back_and_a_wrong_token_is_told_as_such() {
    let server = Server::start();
    let world = World::populate(&server, 4, 10);
    let mut site = Site::new(server.url(), "");
    let child = site.start(&["processador", "automatico"]);
    let begun = now();
    while server
        .items("versao", "status")
        .iter()
        .all(|version| version["status"] != "concluido")
    {
        assert!(begun.elapsed() < Duration::from_mins(1));
        pause(Duration::from_millis(50));
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let stopped = finish(child);
    assert_eq!(stopped.code, Some(75), "{stopped:?}");
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for version in server.items("versao", "status,observacao") {
        *states
            .entry(version["status"].as_str().unwrap().to_owned())
            .or_default() += 1;
        let observation = version["observacao"].as_str().unwrap_or_default();
        assert!(
            !observation.contains("TENT"),
            "a try was counted: {version}"
        );
    }
    assert!(
        states["concluido"] > 0 && states["processar"] > 0 && states.len() == 2,
        "{states:?}"
    );
    let token = std::mem::replace(&mut site.token, "token-errado");
    let refused = site.run(&["processador", "automatico"]);
    assert_eq!(refused.code, Some(77), "{refused:?}");
    assert!(
        refused.err.contains("recusa o token") && !refused.err.contains("token-errado"),
        "{refused:?}"
    );
    site.token = token;
    World::settle(&server, &site);
    world.assert_right(&server);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_model_whose_results_are_refused_after_a_part_of_them_ends_as_failed() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 0);
    // New tags are stored first; then their clauses may not be pointed at them.
    server.restrict("clausula", "update", None);
    let site = Site::new(server.url(), "");
    let finished = site.run(&["processador", "modelo-contrato"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.err.contains("erro: ") && finished.err.contains("403"),
        "{finished:?}"
    );
    assert_eq!(server.items("modelo_contrato_tag", "id").len(), 14);
    let models = server.items("modelo_contrato", "status");
    assert_eq!(models[1]["status"], "erro", "{models:?}");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_directus_that_answers_from_its_cache_is_no_hindrance() {
    let server = Server::start_with(&[("CACHE_ENABLED", "true"), ("CACHE_STORE", "memory")]);
    let _world = World::populate(&server, 1, 2);
    let site = Site::new(server.url(), "");
    let finished = site.single_run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.out.contains("2 versões, "), "{finished:?}");
    assert!(finished.out.contains("1 modelo, 14 tags"), "{finished:?}");
    let idle = site.single_run();
    assert_eq!(idle.out.matches("nada pendente").count(), 2, "{idle:?}");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_version_that_gets_another_file_after_it_was_listed_is_listed_anew() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 2);
    let folder = tempfile::tempdir().unwrap();
    let mut records = importer(&server, &folder);
    let now = Timestamp::now();
    let listed = records.pending_versions(10, now).unwrap().records;
    let [first, second] = &listed[..] else {
        panic!("{listed:?}");
    };
    let file = second.file.as_ref().unwrap();
    server.change("versao", &first.id.0, &json!({ "arquivo": file.0 }));
    let claimed = records.claim(Collection::Version, &first.id, now).unwrap();
    assert_eq!(claimed, ClaimResult::Taken);
    let anew = records.pending_versions(10, now).unwrap().records;
    assert_eq!(anew[0].file.as_ref(), Some(file));
    for version in anew {
        let claimed = records
            .claim(Collection::Version, &version.id, now)
            .unwrap();
        assert!(matches!(claimed, ClaimResult::Ours(_)), "{claimed:?}");
    }
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_version_that_is_only_touched_in_work_is_finished_and_one_with_another_file_goes_back() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 2);
    let folder = tempfile::tempdir().unwrap();
    let mut records = importer(&server, &folder);
    let now = Timestamp::now();
    let report = NewReport {
        name: "r.html".to_owned(),
        html: "<!doctype html>".to_owned(),
    };
    let mut store = |change: &dyn Fn(&[PendingVersion]) -> Value| {
        let listed = records.pending_versions(10, now).unwrap().records;
        let version = &listed[0].id;
        let claimed = records.claim(Collection::Version, version, now).unwrap();
        let ClaimResult::Ours(claim) = claimed else {
            panic!("{claimed:?}");
        };
        server.change("versao", &version.0, &change(&listed));
        records.store_comparison(&claim, &[], &report, now)
    };
    let state = || server.items("versao", "status,observacao")[0].clone();
    let stored = store(&|listed| json!({ "arquivo": listed[1].file.as_ref().unwrap().0 }));
    assert!(
        matches!(stored, Err(RecordsError::ClaimLost { .. })),
        "{stored:?}"
    );
    assert_eq!(state()["status"], "processar");
    assert!(matches!(state()["observacao"].as_str(), None | Some("")));
    let stored = store(&|_| json!({ "versao": "com outro nome" }));
    assert!(stored.is_ok(), "{stored:?}");
    assert_eq!(state()["status"], "concluido");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn an_import_without_a_clear_answer_leaves_the_file_of_the_record_that_it_made() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 1);
    let proxy = Proxy::before(server.port());
    let mut site = Site::new(proxy.url(), "");
    site.token = IMPORTER;
    proxy.misbehave(Some(Fault::Cut("POST /items/versao")), 1);
    let document = path("contrato-locacao-v2.docx");
    let finished = site.run(&["importar", "versao", "--contrato", "1", &document]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.err.contains("confira se o registro"),
        "{finished:?}"
    );
    let versions = server.items("versao", "arquivo");
    assert_eq!(versions.len(), 2);
    assert!(versions[1]["arquivo"].is_string(), "{versions:?}");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn rows_without_what_tells_them_apart_are_not_stored() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 1);
    let fields = ["versao", "status", "sort", "categoria", "conteudo"];
    server.restrict("modificacao", "create", Some(&fields));
    let site = Site::new(server.url(), "");
    let finished = site.run(&["processador", "automatico"]);
    assert_eq!(finished.code, Some(69), "{finished:?}");
    assert!(
        finished
            .err
            .contains("create em modificacao, campos alteracao"),
        "{finished:?}"
    );
    assert_eq!(server.items("versao", "status")[0]["status"], "processar");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn a_version_at_which_the_store_always_fails_keeps_no_other_from_its_turn() {
    let server = Server::start();
    let _world = World::populate(&server, 1, 3);
    let versions = server.items("versao", "id,arquivo");
    // Such a file makes Directus answer 500 for ever.
    let file = format!("/files/{}", versions[0]["arquivo"].as_str().unwrap());
    server.ask("PATCH", &file, Some(&json!({ "filename_disk": null })));
    let proxy = Proxy::before(server.port());
    let site = Site::new(proxy.url(), "");
    let states = || {
        let versions = server.items("versao", "status,observacao");
        let told = |version: &Value| {
            let observation = version["observacao"].as_str().unwrap_or_default();
            assert!(
                !observation.contains("TENT"),
                "a try was counted: {version}"
            );
            version["status"].as_str().unwrap().to_owned()
        };
        versions.iter().map(told).collect::<Vec<_>>()
    };
    // The second version is compared with the first, so it meets the same file.
    let third = json!({ "status": "erro" });
    server.change("versao", &versions[1]["id"].to_string(), &third);
    let finished = site.run(&["processador", "automatico"]);
    assert_eq!(finished.code, Some(75), "{finished:?}");
    assert_eq!(states(), ["processar", "erro", "concluido"], "{finished:?}");
    assert!(
        finished.err.contains("erro: versão 1") && finished.err.contains("continua na fila"),
        "{finished:?}"
    );
    // A claim that is refused as wrong concerns one record, too.
    let again = json!({ "status": "processar" });
    server.change("versao", &versions[2]["id"].to_string(), &again);
    proxy.misbehave(Some(Fault::Wrong("PATCH /items/versao/1?")), 1);
    let finished = site.run(&["processador", "automatico"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(states(), ["processar", "erro", "concluido"], "{finished:?}");
    assert!(proxy.met() > 0);
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
fn the_check_says_what_is_missing_and_what_to_do() {
    let server = Server::start();
    let mut site = Site::new(server.url(), "");
    let check = |site: &Site| site.run(&["validar", "--backend"]);
    let fine = check(&site);
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert!(
        !fine.out.contains('❌') && fine.out.contains("bastam aos dois processadores"),
        "{fine:?}"
    );
    assert!(
        fine.out.lines().count() <= 25,
        "more than a screen: {fine:?}"
    );
    site.token = ADMINISTRATOR;
    let by_administrator = check(&site);
    assert_eq!(by_administrator.code, Some(0), "{by_administrator:?}");
    site.token = PROCESSOR;
    server.drop_field("modelo_contrato_tag", "contexto");
    server.drop_field("versao", "observacao");
    let optional = check(&site);
    assert_eq!(optional.code, Some(0), "{optional:?}");
    for field in ["modelo_contrato_tag.contexto", "versao.observacao"] {
        assert!(
            optional
                .out
                .contains(&format!("campo opcional que falta: {field}")),
            "{optional:?}"
        );
    }
    server.restrict("modificacao", "delete", None);
    server.restrict("versao", "update", Some(&["status", "modificacoes"]));
    server.drop_field("modificacao", "alteracao");
    let choices = json!({ "meta": { "options": { "choices": [{ "text": "Solicitado", "value": "solicitado" }, { "text": "Pronto", "value": "concluido" }] } } });
    server.ask("PATCH", "/fields/versao/status", Some(&choices));
    let faults = check(&site);
    assert_eq!(faults.code, Some(1), "{faults:?}");
    for told in [
        "permissão que falta: delete em modificacao",
        "permissão que falta: update em versao, campos relatorio_diff",
        "em modificacao faltam ou não podem ser lidos: alteracao",
        "versao.status não aceita processar, em_processamento, erro; aceita: concluido, solicitado",
        "[registros.estados]",
    ] {
        assert!(faults.out.contains(told), "no {told:?} in {faults:?}");
    }
    let run = site.run(&["processador", "automatico"]);
    assert_eq!(run.code, Some(69), "{run:?}");
    assert!(run.err.contains("não aceita processar"), "{run:?}");
    site.token = "token-errado";
    let refused = check(&site);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.out.contains("recusa o token") && !format!("{refused:?}").contains("token-errado"),
        "{refused:?}"
    );
    let down = Site::new("http://127.0.0.1:1".to_owned(), "");
    let down = check(&down);
    assert_eq!(down.code, Some(1), "{down:?}");
    assert!(down.out.contains("sem conexão"), "{down:?}");
}

#[test]
#[ignore = "needs a real Directus: make test-directus"]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn everything_of_the_embedded_store_is_copied_into_an_empty_directus_with_the_decisions() {
    let server = Server::start();
    let mut site = Site::new(server.url(), "");
    site.token = IMPORTER;
    let embedded = |arguments: &[&str]| {
        let finished = finish(
            site.command(arguments)
                .env("DIRECTUS_BASE_URL", "")
                .spawn()
                .unwrap(),
        );
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.out
    };
    embedded(&["--exemplos", "--single-run"]);
    let rows: Value = serde_json::from_str(&embedded(&[
        "listar",
        "modificacoes",
        "--de",
        "2",
        "--json",
    ]))
    .unwrap();
    let decided = rows[0]["id"].to_string();
    embedded(&[
        "marcar",
        "modificacao",
        &decided,
        "ajustar",
        "--nota",
        "prazo",
    ]);
    let copied = site.run(&["importar", "--para", "directus"]);
    assert_eq!(copied.code, Some(0), "{copied:?}");
    for (list, fields) in [
        ("modelos", &["nome", "status", "total_tags"][..]),
        ("contratos", &["numero", "titulo", "total_versoes"]),
        ("versoes", &["versao", "status", "total_modificacoes"]),
        (
            "tags",
            &["tag_nome", "conteudo", "sort", "linha_aproximada"],
        ),
        (
            "modificacoes",
            &[
                "status",
                "categoria",
                "conteudo",
                "alteracao",
                "sort",
                "nota_analista",
                "caminho_inicio",
            ],
        ),
    ] {
        let text = embedded(&["listar", list, "--limite", "1000", "--json"]);
        let there = site.json(&["listar", list, "--limite", "1000", "--json"]);
        let pick = |rows: &Value| -> Vec<String> {
            let rows = rows.as_array().unwrap().iter();
            let text = |row: &Value, field: &str| {
                row[field].as_str().map_or_else(
                    || {
                        if row[field].is_null() {
                            String::new()
                        } else {
                            row[field].to_string()
                        }
                    },
                    str::to_owned,
                )
            };
            let mut picked: Vec<String> = rows
                .map(|row| {
                    fields
                        .iter()
                        .map(|field| text(row, field))
                        .collect::<Vec<_>>()
                        .join("|")
                })
                .collect();
            picked.sort();
            picked
        };
        assert_eq!(
            pick(&there),
            pick(&serde_json::from_str(&text).unwrap()),
            "{list}"
        );
    }
    let linked = |rows: &[Value]| rows.iter().filter(|row| !row["clausula"].is_null()).count();
    let embedded_rows = embedded(&["listar", "modificacoes", "--limite", "1000", "--json"]);
    let embedded_rows: Vec<Value> = serde_json::from_str(&embedded_rows).unwrap();
    let rows = server.items("modificacao", "clausula");
    assert!(linked(&rows) > 0);
    assert_eq!(linked(&rows), linked(&embedded_rows));
    let again = site.run(&["importar", "--para", "directus"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("já tem registros"), "{again:?}");
    let nothing = site.run(&["importar"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}
