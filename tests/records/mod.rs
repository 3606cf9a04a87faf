//! What every store does, whatever it is made of: one suite for `trait Records`, run on each of them.
//!
//! A [`Bench`] gives an empty store that is opened as often as one likes. Time only goes forward here: a store that is
//! elsewhere has a clock of its own, so the suite hands in a later `now` where a lease must have passed.

use jiff::{SignedDuration, Timestamp};
use orquestrador::records::{
    BaseKind, Claim, ClaimResult, Collection, FileId, Listed, Mark, NewClause, NewContract,
    NewFile, NewModel, NewModification, NewReport, NewTag, NewVersion, RecordId, Records,
    RecordsError, RecordsErrorKind, Row, State,
};

/// An empty store.
pub(crate) trait Bench {
    /// Opens it once more, as another process would.
    fn open(&self) -> Box<dyn Records>;
    /// Wall time.
    fn now(&self) -> Timestamp;
}

/// Name and test of everything that a store does.
pub(crate) type Behaviour = (&'static str, fn(&dyn Bench));

pub(crate) const SUITE: [Behaviour; 12] = [
    (
        "an empty store is empty, and unknown records are told",
        unknown_records,
    ),
    (
        "an imported model waits with both files, byte by byte",
        imported_model,
    ),
    (
        "a version waits for its model, and the oldest comes first",
        pending_versions,
    ),
    (
        "the other side is the latest earlier version, else the model",
        base_of_a_version,
    ),
    (
        "a record is claimed once, given back without a try, closed with its reason",
        claims,
    ),
    (
        "a lease that passed lets another take over, three times",
        leases,
    ),
    (
        "a claim of one's own is lost when another took over",
        lost_claims,
    ),
    (
        "tags are stored, counted, kept and linked to the model's own clauses",
        tags,
    ),
    (
        "modifications are stored once, and what an analyst decided stays",
        modifications,
    ),
    ("a report replaces the one before", reports),
    ("many rows are stored as well as few", many_rows),
    (
        "statuses are set by hand, and wrong ones are told with the right ones",
        marks,
    ),
];

fn file(name: &str, text: &str) -> NewFile {
    NewFile {
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn model(bench: &dyn Bench, name: &str) -> RecordId {
    let model = NewModel {
        name: name.to_owned(),
        original: file("original com espaço.docx", &format!("original de {name}")),
        tagged: file("a\"b.docx", &format!("com tags de {name}")),
    };
    bench.open().import_model(&model, bench.now()).unwrap()
}

fn contract(bench: &dyn Bench, model: &RecordId) -> RecordId {
    let contract = NewContract {
        model: model.clone(),
        number: "7/2026".to_owned(),
        title: "Locação".to_owned(),
    };
    bench
        .open()
        .import_contract(&contract, bench.now())
        .unwrap()
}

fn version(bench: &dyn Bench, contract: &RecordId, text: &str) -> RecordId {
    let version = NewVersion {
        contract: contract.clone(),
        name: None,
        file: file("versao.docx", text),
    };
    // Two that are made within one millisecond are told apart by their keys; a day of tests has room for a pause.
    pause(5);
    bench.open().import_version(&version, bench.now()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a store has a clock of its own")]
fn pause(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

fn clause(bench: &dyn Bench, model: &RecordId, number: &str, name: &str) {
    let clause = NewClause {
        model: model.clone(),
        number: number.to_owned(),
        name: name.to_owned(),
        content: String::new(),
    };
    bench.open().import_clause(&clause, bench.now()).unwrap();
}

fn mark(bench: &dyn Bench, listed: Listed, id: &RecordId, status: &str, note: Option<&str>) {
    let mark = Mark {
        listed,
        id: id.clone(),
        status: status.to_owned(),
        note: note.map(str::to_owned),
    };
    bench.open().mark(&mark, bench.now()).unwrap();
}

/// A published model with a contract; gives both.
fn published(bench: &dyn Bench) -> (RecordId, RecordId) {
    let model = model(bench, "publicado");
    mark(bench, Listed::Models, &model, "publicado", None);
    let contract = contract(bench, &model);
    (model, contract)
}

fn claim(bench: &dyn Bench, collection: Collection, id: &RecordId, now: Timestamp) -> Claim {
    match bench.open().claim(collection, id, now).unwrap() {
        ClaimResult::Ours(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn row(bench: &dyn Bench, listed: Listed, id: &RecordId) -> Row {
    let rows = bench.open().list(listed, None, 10_000).unwrap();
    let found = rows.into_iter().find(|row| row.text("id") == id.0);
    found.unwrap_or_else(|| panic!("no {listed:?} {id}"))
}

fn status(bench: &dyn Bench, collection: Collection, id: &RecordId) -> String {
    let listed = match collection {
        Collection::Model => Listed::Models,
        Collection::Version => Listed::Versions,
    };
    row(bench, listed, id).text("status")
}

fn after(bench: &dyn Bench, minutes: i64) -> Timestamp {
    bench.now() + SignedDuration::from_mins(minutes)
}

fn rows(bench: &dyn Bench, listed: Listed, parent: &RecordId) -> Vec<Row> {
    bench.open().list(listed, Some(parent), 10_000).unwrap()
}

fn texts(rows: &[Row], field: &str) -> Vec<String> {
    rows.iter().map(|row| row.text(field)).collect()
}

fn unknown_records(bench: &dyn Bench) {
    let mut records = bench.open();
    let now = bench.now();
    assert!(records.is_empty().unwrap());
    for listed in [
        Listed::Models,
        Listed::Contracts,
        Listed::Versions,
        Listed::Tags,
        Listed::Modifications,
    ] {
        assert_eq!(records.list(listed, None, 10).unwrap(), []);
    }
    let nobody = RecordId("987654".to_owned());
    let unknown = |result: Result<(), RecordsError>| {
        assert!(
            matches!(result, Err(RecordsError::UnknownRecord { .. })),
            "{result:?}"
        );
    };
    for id in [&nobody, &RecordId("x".to_owned())] {
        unknown(records.base_of(id).map(drop));
        unknown(records.report(id).map(drop));
        unknown(records.model_of_contract(id).map(drop));
        let contract = NewContract {
            model: id.clone(),
            number: "1".to_owned(),
            title: String::new(),
        };
        unknown(records.import_contract(&contract, now).map(drop));
        let version = NewVersion {
            contract: id.clone(),
            name: None,
            file: file("a.docx", "a"),
        };
        unknown(records.import_version(&version, now).map(drop));
        for listed in [Listed::Models, Listed::Versions] {
            let mark = Mark {
                listed,
                id: id.clone(),
                status: "processar".to_owned(),
                note: None,
            };
            unknown(records.mark(&mark, now));
        }
    }
    assert!(matches!(
        records.claim(Collection::Model, &nobody, now),
        Ok(ClaimResult::Taken)
    ));
    let gone = FileId("00000000-0000-4000-8000-000000000000".to_owned());
    let error = records.read_file(&gone, 10).unwrap_err();
    assert_eq!(error.kind(), RecordsErrorKind::Record, "{error}");
}

fn imported_model(bench: &dyn Bench) {
    let id = model(bench, "Locação \"A\"");
    let mut records = bench.open();
    assert!(!records.is_empty().unwrap());
    let pending = records.pending_models(10, bench.now()).unwrap();
    assert_eq!(
        (pending.waiting, pending.blocked, pending.records.len()),
        (1, 0, 1)
    );
    let found = &pending.records[0];
    assert_eq!((&found.id, found.name.as_str()), (&id, "Locação \"A\""));
    let original = records.read_file(&found.original, 1000).unwrap();
    assert_eq!(original, "original de Locação \"A\"".as_bytes());
    let tagged = records.read_file(&found.tagged, 1000).unwrap();
    assert_eq!(tagged, "com tags de Locação \"A\"".as_bytes());
    let refused = records.read_file(&found.tagged, 3);
    assert!(
        matches!(refused, Err(RecordsError::TooLarge { limit: 3, .. })),
        "{refused:?}"
    );
    let waits = records.queue(Collection::Model, bench.now()).unwrap();
    assert_eq!((waits.waiting, waits.running, waits.stuck), (1, 0, 0));
}

fn pending_versions(bench: &dyn Bench) {
    let model = model(bench, "modelo");
    let contract = contract(bench, &model);
    let ids: Vec<RecordId> = (1..=3)
        .map(|number| version(bench, &contract, &number.to_string()))
        .collect();
    let mut records = bench.open();
    let pending = records.pending_versions(10, bench.now()).unwrap();
    assert_eq!(
        (pending.records.len(), pending.waiting, pending.blocked),
        (0, 0, 3)
    );
    mark(bench, Listed::Models, &model, "publicado", None);
    let pending = records.pending_versions(2, bench.now()).unwrap();
    assert_eq!((pending.waiting, pending.blocked), (3, 0));
    let found: Vec<_> = pending
        .records
        .iter()
        .map(|found| (found.id.clone(), found.name.as_str()))
        .collect();
    assert_eq!(found, [(ids[0].clone(), "1"), (ids[1].clone(), "2")]);
    assert_eq!(pending.records[0].contract, "7/2026");
    assert!(
        pending.records[0].created.parse::<Timestamp>().is_ok(),
        "{}",
        pending.records[0].created
    );
    assert_eq!(
        records.model_of_contract(&contract).unwrap(),
        (model, State::Published)
    );
}

fn base_of_a_version(bench: &dyn Bench) {
    let (model, contract) = published(bench);
    let (first, second) = (
        version(bench, &contract, "um"),
        version(bench, &contract, "dois"),
    );
    let other = self::contract(bench, &model);
    version(bench, &other, "de outro contrato");
    let mut records = bench.open();
    let base = records.base_of(&first).unwrap();
    assert_eq!((base.kind, &base.id), (BaseKind::Model, &model));
    let bytes = records.read_file(&base.file.unwrap(), 1000).unwrap();
    assert_eq!(bytes, b"original de publicado");
    let base = records.base_of(&second).unwrap();
    assert_eq!(
        (base.kind, &base.id, base.name.as_str()),
        (BaseKind::Version, &first, "1")
    );
    assert_eq!(records.read_file(&base.file.unwrap(), 1000).unwrap(), b"um");
}

fn claims(bench: &dyn Bench) {
    let (waiting, (_, contract)) = (model(bench, "a"), published(bench));
    let version = version(bench, &contract, "v");
    let mut records = bench.open();
    for (collection, id) in [
        (Collection::Model, &waiting),
        (Collection::Version, &version),
    ] {
        let first = claim(bench, collection, id, bench.now());
        assert_eq!(first.tries, 1);
        assert_eq!(status(bench, collection, id), "em_processamento");
        let again = records.claim(collection, id, bench.now()).unwrap();
        assert_eq!(again, ClaimResult::Taken);
        let state = records.queue(collection, bench.now()).unwrap();
        assert_eq!((state.running, state.stuck), (1, 0));
        records.release(&first, bench.now()).unwrap();
        assert_eq!(status(bench, collection, id), "processar");
        let second = claim(bench, collection, id, bench.now());
        assert_eq!(second.tries, 1, "what was given back counts as no try");
        assert!(matches!(
            records.release(&first, bench.now()),
            Err(RecordsError::ClaimLost { .. })
        ));
        records
            .fail(&second, "não é\num documento", bench.now())
            .unwrap();
        assert_eq!(status(bench, collection, id), "erro");
        let listed = if collection == Collection::Model {
            Listed::Models
        } else {
            Listed::Versions
        };
        assert_eq!(
            row(bench, listed, id).text("observacao"),
            "Erro: não é um documento"
        );
        assert_eq!(
            records.claim(collection, id, bench.now()).unwrap(),
            ClaimResult::Taken
        );
    }
}

fn leases(bench: &dyn Bench) {
    let (waiting, (_, contract)) = (model(bench, "a"), published(bench));
    let version = version(bench, &contract, "v");
    mark(
        bench,
        Listed::Versions,
        &version,
        "processar",
        Some("Ver com o jurídico."),
    );
    let mut records = bench.open();
    for (collection, id) in [
        (Collection::Model, &waiting),
        (Collection::Version, &version),
    ] {
        for tries in 1..=3 {
            let taken = claim(bench, collection, id, after(bench, 20 * i64::from(tries)));
            assert_eq!(taken.tries, tries);
            // The claim's stamp may be the store's own time or the one that was handed in.
            let within = records.claim(collection, id, bench.now()).unwrap();
            assert_eq!(within, ClaimResult::Taken);
        }
        if collection == Collection::Version {
            let observation = row(bench, Listed::Versions, id).text("observacao");
            assert!(
                observation.starts_with("Ver com o jurídico."),
                "{observation}"
            );
            assert!(observation.ends_with("[TENT: 3/3]"), "{observation}");
        }
        let state = records.queue(collection, after(bench, 90)).unwrap();
        assert_eq!((state.running, state.stuck), (0, 1));
        let late = records.claim(collection, id, after(bench, 90)).unwrap();
        assert_eq!(late, ClaimResult::Exhausted);
        assert_eq!(status(bench, collection, id), "erro");
        let listed = if collection == Collection::Model {
            Listed::Models
        } else {
            Listed::Versions
        };
        let observation = row(bench, listed, id).text("observacao");
        let text = if collection == Collection::Model {
            ""
        } else {
            "Ver com o jurídico.\n"
        };
        assert_eq!(
            observation,
            format!("{text}Erro: 3 tentativas sem conclusão")
        );
        // Whoever asks for work again starts the count anew.
        mark(bench, listed, id, "processar", None);
        assert_eq!(claim(bench, collection, id, bench.now()).tries, 1);
    }
}

fn lost_claims(bench: &dyn Bench) {
    let (_, contract) = published(bench);
    let version = version(bench, &contract, "v");
    let slow = claim(bench, Collection::Version, &version, bench.now());
    let quick = claim(bench, Collection::Version, &version, after(bench, 20));
    let mut records = bench.open();
    let found = [modification("inclusao", "novo", "")];
    let lost = records.store_comparison(&slow, &found, &report(&version, 1), bench.now());
    assert!(
        matches!(lost, Err(RecordsError::ClaimLost { .. })),
        "{lost:?}"
    );
    assert!(matches!(
        records.fail(&slow, "x", bench.now()),
        Err(RecordsError::ClaimLost { .. })
    ));
    assert_eq!(rows(bench, Listed::Modifications, &version), []);
    assert_eq!(
        status(bench, Collection::Version, &version),
        "em_processamento"
    );
    let stored = records
        .store_comparison(&quick, &found, &report(&version, 2), bench.now())
        .unwrap();
    assert_eq!(stored.total, 1);
    // A person that changes the status while we work is right.
    mark(bench, Listed::Versions, &version, "processar", None);
    let taken = claim(bench, Collection::Version, &version, bench.now());
    mark(bench, Listed::Versions, &version, "rascunho", None);
    let lost = records.store_comparison(&taken, &[], &report(&version, 3), bench.now());
    assert!(
        matches!(lost, Err(RecordsError::ClaimLost { .. })),
        "{lost:?}"
    );
    assert_eq!(status(bench, Collection::Version, &version), "rascunho");
    assert_eq!(rows(bench, Listed::Modifications, &version).len(), 1);
}

fn tag(name: &str, content: &str) -> NewTag {
    NewTag {
        name: name.to_owned(),
        path_start: format!("word/document.xml#{name}"),
        path_end: format!("word/document.xml#/{name}"),
        content: content.to_owned(),
        context: "perto".to_owned(),
        position_start: 3,
        position_end: 9,
        line: 2,
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn tags(bench: &dyn Bench) {
    let (own, other) = (model(bench, "meu"), model(bench, "outro"));
    clause(bench, &own, "1.2", "qualquer");
    clause(bench, &own, "", "TAG-Preço-Elétrica");
    clause(bench, &own, "9", "prazo");
    clause(bench, &own, "", "sem tag");
    clause(bench, &other, "1.2", "prazo");
    let mut records = bench.open();
    let taken = claim(bench, Collection::Model, &own, bench.now());
    let first = [
        tag("prazo", "12 meses"),
        tag("1.2", "objeto"),
        tag("preço-elétrica", "R$ 1"),
        tag("prazo", "repetida"),
    ];
    let stored = records.store_tags(&taken, &first, bench.now()).unwrap();
    assert_eq!(
        (stored.total, stored.inserted, stored.kept, stored.removed),
        (4, 4, 0, 0)
    );
    assert_eq!(stored.linked_clauses, 3);
    assert_eq!(status(bench, Collection::Model, &own), "concluido");
    let before = rows(bench, Listed::Tags, &own);
    assert_eq!(
        texts(&before, "tag_nome"),
        ["prazo", "1.2", "preço-elétrica", "prazo"]
    );
    assert_eq!(
        texts(&before, "conteudo"),
        ["12 meses", "objeto", "R$ 1", "repetida"]
    );
    assert_eq!(texts(&before, "linha_aproximada"), ["2", "2", "2", "2"]);
    mark(bench, Listed::Models, &own, "processar", None);
    let taken = claim(bench, Collection::Model, &own, bench.now());
    let second = [
        tag("1.2", "objeto"),
        tag("prazo", "24 meses"),
        tag("nova", "x"),
    ];
    let stored = records.store_tags(&taken, &second, bench.now()).unwrap();
    let counts = (
        stored.total,
        stored.kept,
        stored.updated,
        stored.inserted,
        stored.removed,
    );
    assert_eq!(counts, (3, 1, 1, 1, 2));
    let after = rows(bench, Listed::Tags, &own);
    assert_eq!(texts(&after, "tag_nome"), ["1.2", "prazo", "nova"]);
    assert_eq!(texts(&after, "conteudo"), ["objeto", "24 meses", "x"]);
    assert_eq!(texts(&after, "sort"), ["1", "2", "3"]);
    let (old, new) = (texts(&before, "id"), texts(&after, "id"));
    assert_eq!(
        new[..2],
        [old[1].clone(), old[0].clone()],
        "ids of what stayed"
    );
    // The same once more changes nothing.
    mark(bench, Listed::Models, &own, "processar", None);
    let taken = claim(bench, Collection::Model, &own, bench.now());
    let stored = records.store_tags(&taken, &second, bench.now()).unwrap();
    assert_eq!((stored.total, stored.kept, stored.removed), (3, 3, 0));
    assert_eq!(rows(bench, Listed::Tags, &own), after);
    assert_eq!(rows(bench, Listed::Tags, &other), []);
    let contract = contract(bench, &own);
    let version = version(bench, &contract, "v");
    let clauses = records.clauses_of(&version).unwrap();
    let contents: Vec<_> = clauses
        .iter()
        .map(|clause| (clause.name.as_str(), clause.content.as_str()))
        .collect();
    assert_eq!(
        contents,
        [
            ("qualquer", "objeto"),
            ("TAG-Preço-Elétrica", ""),
            ("prazo", "24 meses"),
            ("sem tag", "")
        ]
    );
    // No tag at all is a result, too.
    mark(bench, Listed::Models, &own, "processar", None);
    let taken = claim(bench, Collection::Model, &own, bench.now());
    let stored = records.store_tags(&taken, &[], bench.now()).unwrap();
    assert_eq!((stored.total, stored.removed), (0, 3));
    assert_eq!(rows(bench, Listed::Tags, &own), []);
}

fn modification(category: &str, content: &str, change: &str) -> NewModification {
    NewModification {
        category: category.to_owned(),
        content: content.to_owned(),
        change: change.to_owned(),
        path_start: "word/document.xml#b1".to_owned(),
        path_end: "word/document.xml#b2".to_owned(),
        clause: None,
    }
}

fn report(version: &RecordId, number: u32) -> NewReport {
    NewReport {
        name: format!("relatorio_diff_{version}_20260302_12000{number}.html"),
        html: format!("<!doctype html><p>relatório {number} é assim</p>"),
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn modifications(bench: &dyn Bench) {
    let (model, contract) = published(bench);
    clause(bench, &model, "1", "foro");
    let version = version(bench, &contract, "v");
    let mut records = bench.open();
    let linked = records.clauses_of(&version).unwrap()[0].id.clone();
    let taken = claim(bench, Collection::Version, &version, bench.now());
    let mut first = vec![
        modification("inclusao", "texto igual", ""),
        modification("remocao", "texto igual", ""),
        modification("inclusao", "texto igual", ""),
        modification("modificacao", "<b>&\"'ção\n linha", "de \"a\" para \"b\""),
        modification("movimentacao", "movido", "de 1 para 2"),
    ];
    first[3].clause = Some(linked.clone());
    let stored = records
        .store_comparison(&taken, &first, &report(&version, 1), bench.now())
        .unwrap();
    assert_eq!((stored.total, stored.kept, stored.removed), (5, 0, 0));
    assert_eq!(status(bench, Collection::Version, &version), "concluido");
    assert_eq!(
        row(bench, Listed::Versions, &version).text("observacao"),
        ""
    );
    let before = rows(bench, Listed::Modifications, &version);
    assert_eq!(
        texts(&before, "categoria"),
        [
            "inclusao",
            "remocao",
            "inclusao",
            "modificacao",
            "movimentacao"
        ]
    );
    assert_eq!(before[3].text("conteudo"), first[3].content);
    assert_eq!(before[3].text("clausula"), linked.0);
    assert_eq!(texts(&before, "status"), ["draft"; 5]);
    let id = |index: usize| RecordId(before[index].text("id"));
    mark(bench, Listed::Modifications, &id(0), "aceitar", None);
    mark(
        bench,
        Listed::Modifications,
        &id(3),
        "ressalva",
        Some("ver com o jurídico"),
    );
    mark(bench, Listed::Modifications, &id(4), "recusar", Some("não"));
    mark(bench, Listed::Versions, &version, "processar", None);
    let taken = claim(bench, Collection::Version, &version, bench.now());
    let mut second = vec![
        modification("comentario", "novo", ""),
        modification("modificacao", "<b>&\"'ção\n linha", "de \"a\" para \"b\""),
        modification("inclusao", "texto igual", ""),
        modification("movimentacao", "movido", "de 1 para 3"),
    ];
    second[2].clause = Some(linked.clone());
    let stored = records
        .store_comparison(&taken, &second, &report(&version, 2), bench.now())
        .unwrap();
    assert_eq!((stored.total, stored.kept, stored.removed), (4, 2, 3));
    let after = rows(bench, Listed::Modifications, &version);
    assert_eq!(texts(&after, "sort"), ["1", "2", "3", "4"]);
    let of = |index: usize| {
        ["id", "status", "nota_analista", "clausula"].map(|field| after[index].text(field))
    };
    let kept = |index: usize, status: &str, note: &str| {
        [
            id(index).0,
            status.to_owned(),
            note.to_owned(),
            linked.0.clone(),
        ]
    };
    assert_eq!(of(1), kept(3, "ressalva", "ver com o jurídico"));
    assert_eq!(of(2), kept(0, "aceitar", ""));
    assert_eq!(
        texts(&after, "status"),
        ["draft", "ressalva", "aceitar", "draft"]
    );
    assert!(
        texts(&before, "id")
            .iter()
            .all(|id| *id != after[0].text("id") && *id != after[3].text("id"))
    );
}

fn reports(bench: &dyn Bench) {
    let (_, contract) = published(bench);
    let version = version(bench, &contract, "v");
    let mut records = bench.open();
    assert_eq!(records.report(&version).unwrap(), None);
    for number in 1..=2 {
        mark(bench, Listed::Versions, &version, "processar", None);
        let taken = claim(bench, Collection::Version, &version, bench.now());
        let report = report(&version, number);
        let stored = records
            .store_comparison(&taken, &[], &report, bench.now())
            .unwrap();
        let found = records.report(&version).unwrap().unwrap();
        assert_eq!(
            (found.name.as_str(), found.bytes.as_slice()),
            (report.name.as_str(), report.html.as_bytes())
        );
        assert_eq!(found.location, stored.report);
    }
}

fn many_rows(bench: &dyn Bench) {
    let (_, contract) = published(bench);
    let version = version(bench, &contract, "v");
    let mut records = bench.open();
    let found: Vec<NewModification> = (0..1100)
        .map(|number| {
            modification(
                "inclusao",
                &format!("{number} {}", "palavra ".repeat(number % 200)),
                "",
            )
        })
        .collect();
    let taken = claim(bench, Collection::Version, &version, bench.now());
    let stored = records
        .store_comparison(&taken, &found, &report(&version, 1), bench.now())
        .unwrap();
    assert_eq!(stored.total, 1100);
    let before = rows(bench, Listed::Modifications, &version);
    let contents: Vec<String> = found.iter().map(|found| found.content.clone()).collect();
    assert_eq!(texts(&before, "conteudo"), contents);
    mark(bench, Listed::Versions, &version, "processar", None);
    let taken = claim(bench, Collection::Version, &version, bench.now());
    let stored = records
        .store_comparison(&taken, &found[..1050], &report(&version, 2), bench.now())
        .unwrap();
    assert_eq!(
        (stored.total, stored.kept, stored.removed),
        (1050, 1050, 50)
    );
    assert_eq!(rows(bench, Listed::Modifications, &version), before[..1050]);
    mark(bench, Listed::Versions, &version, "processar", None);
    let taken = claim(bench, Collection::Version, &version, bench.now());
    let stored = records
        .store_comparison(&taken, &found[..800], &report(&version, 3), bench.now())
        .unwrap();
    assert_eq!((stored.total, stored.removed), (800, 250));
    assert_eq!(rows(bench, Listed::Modifications, &version), before[..800]);
}

fn marks(bench: &dyn Bench) {
    let (model, contract) = published(bench);
    let version = version(bench, &contract, "v");
    let mut records = bench.open();
    let try_mark = |records: &mut dyn Records, listed, id: &RecordId, status: &str| {
        let mark = Mark {
            listed,
            id: id.clone(),
            status: status.to_owned(),
            note: None,
        };
        records.mark(&mark, bench.now())
    };
    for (listed, id, wrong) in [
        (Listed::Models, &model, "pronto"),
        (Listed::Versions, &version, "publicado"),
        (Listed::Modifications, &version, "talvez"),
    ] {
        let refused = try_mark(records.as_mut(), listed, id, wrong);
        assert!(
            matches!(refused, Err(RecordsError::UnknownStatus { .. })),
            "{refused:?}"
        );
    }
    // A known spelling is written as the store's own word.
    try_mark(records.as_mut(), Listed::Versions, &version, " Solicitado ").unwrap();
    assert_eq!(status(bench, Collection::Version, &version), "processar");
    try_mark(records.as_mut(), Listed::Versions, &version, "concluído").unwrap();
    assert_eq!(status(bench, Collection::Version, &version), "concluido");
    assert_eq!(
        records.pending_versions(10, bench.now()).unwrap().waiting,
        0
    );
}
